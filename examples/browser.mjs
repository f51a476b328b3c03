// The engine in a page: this only hands out files. `node examples/browser.mjs [PORT] [--shared]`
// --shared leaves out the headers that isolate the page: it then computes with one thread.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS = ["dist/", "models/nano/", "shaders/", "node_modules/@huggingface/", "examples/"];
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
};
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const [port = "8080"] = process.argv.slice(2).filter((word) => !word.startsWith("--"));

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const path = pathname === "/" ? "examples/browser.html" : normalize(decodeURIComponent(pathname)).slice(1);
  const allowed = FOLDERS.some((folder) => path.startsWith(folder));
  const found = allowed ? await stat(join(ROOT, path)).catch(() => undefined) : undefined;
  if (!found?.isFile()) return response.writeHead(404).end();
  response.writeHead(200, {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": found.size,
    ...(process.argv.includes("--shared") ? {} : ISOLATED),
  });
  if (request.method === "HEAD") return response.end();
  createReadStream(join(ROOT, path)).pipe(response);
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
process.once("SIGTERM", () => server.close());
