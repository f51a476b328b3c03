// The playground's files, read once and answered from memory with headers that let a page do nothing but its own.
// No path of a client's ever reaches the disk.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Router } from "../http/router.ts";

// From dist/server/playground/ to the package: the page is served as it is written, not built.
const FOLDER = fileURLToPath(new URL("../../../server/playground/page/", import.meta.url));

/** Only what has a type here is served; a TypeScript configuration beside the page is not. */
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/**
 * Scripts, styles and sockets of this server alone; nothing inline, nothing evaluated, no frame around it. 'self' takes in
 * the WebSocket of the same host and port (Content Security Policy Level 3, section 6.7.2.8).
 */
const POLICY = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  // Asked for again each time, answered 304: a page never runs with the scripts of an older engine
  "cache-control": "no-cache",
};

/** Routes for `serve(engine, { routes: playground })`: "/" and "/playground/…". */
export async function playground(app: Router): Promise<void> {
  for (const name of await readdir(FOLDER)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const body = await readFile(join(FOLDER, name));
    const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
    const url = name === "index.html" ? "/" : `/playground/${name}`;
    app.get(url, ({ headers }, reply) => {
      reply.headers({ ...HEADERS, etag, "content-type": type });
      return headers["if-none-match"] === etag ? reply.status(304).send() : reply.send(body);
    });
  }
}
