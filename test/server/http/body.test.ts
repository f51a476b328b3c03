// Bodies as clients and proxies send them: packed, marked, in other encodings, deep, and bombs.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { closeEngine, serveNano } from "./http_server.ts";

after(closeEngine);

const chat = { model: "nano", messages: [{ role: "user", content: "Grüße 😀" }], max_tokens: 1, temperature: 0 };
const plain = Buffer.from(JSON.stringify(chat));

interface Reply {
  status: number;
  body: { error?: { code: string; message: string; remedy?: string }; usage?: { prompt_tokens: number } };
}

async function send(url: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: new Uint8Array(body),
  });
  return { status: response.status, body: (await response.json()) as Reply["body"] };
}

test("packed bodies and byte order marks are read as the plain body is", async (t) => {
  const { baseUrl } = await serveNano(t);
  const expected = await send(baseUrl, plain);
  assert.equal(expected.status, 200);
  const same: [Uint8Array, string][] = [
    [gzipSync(plain), "gzip"],
    [gzipSync(plain), "x-gzip"],
    [gzipSync(plain), " GZIP "],
    [deflateSync(plain), "deflate"],
    [brotliCompressSync(plain), "br"],
    [plain, "identity"],
    [Buffer.concat([Buffer.from("\uFEFF"), plain]), "identity"],
    [gzipSync(Buffer.concat([Buffer.from("\uFEFF"), plain])), "gzip"],
  ];
  for (const [body, encoding] of same) {
    const reply = await send(baseUrl, body, { "content-encoding": encoding });
    assert.equal(reply.status, 200, `${encoding}: ${JSON.stringify(reply.body)}`);
    assert.equal(reply.body.usage?.prompt_tokens, expected.body.usage?.prompt_tokens, encoding);
  }
});

test("what is not read is refused by name", async (t) => {
  const { baseUrl } = await serveNano(t);
  const deep = `{"model":"nano","messages":${"[".repeat(4500)}${"]".repeat(4500)}}`;
  const deepField = JSON.stringify(chat).replace("{", `{"metadata":${"[".repeat(4500)}${"]".repeat(4500)},`);
  const latin = Buffer.from(JSON.stringify(chat), "latin1");
  const many = JSON.stringify({
    ...chat,
    messages: Array.from({ length: 200_000 }, () => ({ role: "user", content: "" })),
  });
  const refused: [Uint8Array, Record<string, string>, number, string, RegExp][] = [
    [latin, {}, 400, "bad_request", /not UTF-8/],
    [Buffer.from(JSON.stringify(chat), "utf16le"), {}, 400, "bad_request", /cannot be read/],
    [Buffer.from([0xff, 0xfe, 0x7b]), {}, 400, "bad_request", /not UTF-8/],
    [Buffer.alloc(0), {}, 400, "bad_request", /empty/],
    [Buffer.from(deep), {}, 400, "bad_request", /nested more than 128 deep/],
    [Buffer.from(deepField), {}, 400, "bad_request", /nested more than 128 deep/],
    [Buffer.from("[".repeat(4500)), {}, 400, "bad_request", /cannot be read/],
    [Buffer.from(many), {}, 400, "bad_request", /more than 131072 values/],
    [Buffer.from(JSON.stringify(chat).replace("😀", "\\ud83d")), {}, 400, "bad_request", /well-formed Unicode/],
    [plain, { "content-encoding": "zstd" }, 415, "unsupported_encoding", /"zstd".*gzip, x-gzip, deflate, br/],
    [plain, { "content-encoding": "gzip, gzip" }, 415, "unsupported_encoding", /"gzip, gzip"/],
    [plain, { "content-encoding": "gzip" }, 400, "bad_request", /cannot be read/],
    [gzipSync(plain).subarray(0, 40), { "content-encoding": "gzip" }, 400, "bad_request", /cannot be read/],
    [gzipSync(plain), {}, 400, "bad_request", /not UTF-8/],
  ];
  for (const [body, headers, status, code, message] of refused) {
    const reply = await send(baseUrl, body, headers);
    assert.equal(reply.status, status, `${message}: ${JSON.stringify(reply.body)}`);
    assert.equal(reply.body.error?.code, code, String(message));
    assert.match(reply.body.error?.message ?? "", message);
    assert.ok((reply.body.error?.message.length ?? 0) < 400);
  }
  assert.equal((await send(baseUrl, plain)).status, 200);
});

test("a small body that would become a huge one is stopped at the limit", async (t) => {
  const { baseUrl } = await serveNano(t);
  const bomb = gzipSync(Buffer.alloc(128 * 2 ** 20, 0x20), { level: 9 });
  assert.ok(bomb.length < 2 ** 18);
  const begin = performance.now();
  const reply = await send(baseUrl, bomb, { "content-encoding": "gzip" });
  assert.equal(reply.status, 413);
  assert.equal(reply.body.error?.code, "frame_too_large");
  assert.ok(performance.now() - begin < 5000);
});
