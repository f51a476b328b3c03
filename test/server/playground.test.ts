// The playground's files as a browser gets them: every one the page names, under a strict policy, and nothing else.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { MoloraError } from "../../proto/errors.ts";
import { Identity } from "../../server/caller.ts";
import { Router } from "../../server/http/router.ts";
import { playground } from "../../server/playground/static.ts";

interface Asked {
  url: string;
  method?: string;
  headers?: Record<string, string>;
}

/** The page alone on a port. `inject` sends the path as it is, dots and escapes included. */
async function app(t: TestContext) {
  const router = new Router({
    bodyLimit: 1,
    admit: ({ id, headers, url }) => ({ id, headers, url, identity: new Identity(false), transport: "http" }),
    profileOf: () => assert.fail("no page needs the engine"),
    onError: (thrown, _request, reply) => reply.status(MoloraError.from(thrown).status).send(),
    notFound: (_request, reply) => reply.status(404).send(),
  });
  await playground(router);
  const server = createServer(router.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const inject = (asked: string | Asked) =>
    new Promise<{ statusCode: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
      const { url, ...options } = typeof asked === "string" ? { url: asked } : asked;
      const sent = request({ port, host: "127.0.0.1", path: url, ...options }, async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        resolve({ statusCode: answer.statusCode ?? 0, headers: answer.headers, body: String(Buffer.concat(chunks)) });
      });
      sent.on("error", reject).end();
    });
  return { inject };
}

test("the page is complete: all it links to and all its modules import is served, by its right type", async (t) => {
  const site = await app(t);
  const page = await site.inject("/");
  assert.equal(page.statusCode, 200);
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  const waiting = [...page.body.matchAll(/(?:src|href)="(playground\/[^"]+)"/g)].map(([, path]) => `/${path}`);
  const seen = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { statusCode, headers, body } = await site.inject(path);
    assert.equal(statusCode, 200, path);
    const types: Record<string, string> = { js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
    assert.ok(headers["content-type"]?.toString().startsWith(types[path.split(".").at(-1)!]), path);
    for (const [, name] of body.matchAll(/from "\.\/([^"]+)"/g)) waiting.push(`/playground/${name}`);
  }
  assert.ok(seen.has("/playground/trace.js"), "imports of imports are followed");
});

test("nothing inline and nothing of elsewhere, in the policy and in the page", async (t) => {
  const site = await app(t);
  for (const path of ["/", "/playground/main.js"]) {
    const { headers } = await site.inject(path);
    const policy = String(headers["content-security-policy"]).split("; ");
    assert.ok(policy.includes("default-src 'self'"));
    assert.ok(policy.includes("frame-ancestors 'none'"));
    assert.ok(!policy.some((rule) => /unsafe|\*|data:|https?:/.test(rule)));
    assert.equal(headers["x-content-type-options"], "nosniff");
  }
  const { body } = await site.inject("/");
  assert.doesNotMatch(body, /<style|style="|\son[a-z]+="|<script(?![^>]*src=)|https?:\/\//);
});

test("an unchanged file is not sent again; HEAD sends none", async (t) => {
  const site = await app(t);
  const { headers, body } = await site.inject("/playground/main.js");
  const again = await site.inject({ url: "/playground/main.js", headers: { "if-none-match": String(headers.etag) } });
  assert.deepEqual([again.statusCode, again.body], [304, ""]);
  const head = await site.inject({ method: "HEAD", url: "/playground/main.js" });
  assert.deepEqual([head.statusCode, head.body, head.headers["content-length"]], [200, "", String(body.length)]);
});

test("paths that lead elsewhere lead nowhere", async (t) => {
  const site = await app(t);
  const paths = [
    "/playground/",
    "/playground/index.html",
    "/playground/tsconfig.json",
    "/playground/../static.ts",
    "/playground/..%2fstatic.ts",
    "/playground/%2e%2e/%2e%2e/server.ts",
    "/playground//main.js",
    "/playground/main.js%00.css",
  ];
  for (const url of paths) assert.equal((await site.inject(url)).statusCode, 404, url);
  assert.equal((await site.inject({ method: "POST", url: "/" })).statusCode, 404);
});

test("the page's scripts hold to the types of the engine and of the wire", async () => {
  const typescript = createRequire(import.meta.url).resolve("typescript/package.json");
  const compiler = join(dirname(typescript), "bin", "tsc");
  await promisify(execFile)(process.execPath, [compiler, "-p", "server/playground/page"]);
});
