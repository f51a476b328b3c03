// An engine and a page on one port: the way to put molora behind a site of your own. `node examples/page.mjs [PORT]`
// What the page does stands in page.html.

import { readFile } from "node:fs/promises";
import { Engine } from "molora";
import { serve } from "molora/server";

const page = await readFile(new URL("page.html", import.meta.url), "utf8");
const engine = await Engine.load();
const server = await serve(engine, {
  port: Number(process.argv[2] ?? 8080),
  routes: (app) => {
    app.get("/", (_request, reply) => reply.type("text/html").send(page));
  },
});
console.log(`http://127.0.0.1:${server.port}/`);

process.once("SIGTERM", async () => {
  await server.close();
  await engine.close();
});
