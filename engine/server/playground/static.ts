// The playground's files, read once and answered from memory with headers that let a page do nothing but its own.
// It knows nothing of engines and of other routes; what it does not have it leaves to them.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

// From dist/engine/server/playground/ to the package: the page is served as it is written, not built.
const FOLDER = fileURLToPath(new URL("../../../../engine/server/playground/page/", import.meta.url));

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

interface Asset {
  body: Buffer;
  type: string;
  etag: string;
}

export class Playground {
  /** By path: "/" and "/playground/…". */
  readonly #assets: ReadonlyMap<string, Asset>;

  private constructor(assets: ReadonlyMap<string, Asset>) {
    this.#assets = assets;
  }

  static async load(): Promise<Playground> {
    const assets = new Map<string, Asset>();
    for (const name of await readdir(FOLDER)) {
      const type = TYPES[extname(name)];
      if (type === undefined) continue;
      const body = await readFile(join(FOLDER, name));
      const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
      assets.set(name === "index.html" ? "/" : `/playground/${name}`, { body, type, etag });
    }
    return new Playground(assets);
  }

  /** The paths it answers. */
  get paths(): string[] {
    return [...this.#assets.keys()];
  }

  /** Answers GET and HEAD of its own paths; false, with nothing written, for everything else. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== "GET" && request.method !== "HEAD") return false;
    const asset = this.#assets.get((request.url ?? "/").split("?", 1)[0]);
    if (asset === undefined) return false;
    const headers = { ...HEADERS, etag: asset.etag, "content-type": asset.type };
    if (request.headers["if-none-match"] === asset.etag) {
      response.writeHead(304, headers).end();
    } else {
      response.writeHead(200, { ...headers, "content-length": asset.body.length });
      response.end(request.method === "HEAD" ? undefined : asset.body);
    }
    return true;
  }
}
