// Reading over HTTP from places that fail in every way they can: each ends in the bytes that were meant, or in an error.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { type Ask, HttpReader } from "../../../node/sources/http_reader.ts";
import { raises } from "../../raises.ts";
import { place } from "./place.ts";

const CONTENT = randomBytes(100_000);
const quick = new HttpReader({ backoffMs: 1, stallMs: 200, attemptMs: 2_000, retries: 3, maxFileBytes: 200_000 });
const at = (base: string, more: Partial<Ask> = {}): Ask => ({ url: new URL(`${base}/file`), ...more });

test("a file comes whole, and what is not there is undefined", async (t) => {
  const { url } = await place(t, (_request, response, path) => {
    if (path === "/file") response.end(CONTENT);
    else response.writeHead(404).end();
  });
  assert.deepEqual(Buffer.from((await quick.read(at(url)))!.bytes), CONTENT);
  assert.equal(await quick.read({ url: new URL(`${url}/nothing`) }), undefined);
});

test("what may pass is tried again: 503, a broken connection, a body that ends early, one that hangs", async (t) => {
  let turn = 0;
  const { url, asked } = await place(t, (request, response) => {
    turn++;
    if (turn === 1) response.writeHead(503).end();
    else if (turn === 2) request.socket.destroy();
    else if (turn === 3) {
      response.writeHead(200, { "content-length": CONTENT.length });
      response.write(CONTENT.subarray(0, 10), () => request.socket.destroy());
    } else response.end(CONTENT);
  });
  assert.equal((await quick.read(at(url)))!.bytes.length, CONTENT.length);
  assert.equal(asked.length, 4);
  const hanging = await place(t, (_request, response) => {
    response.writeHead(200, { "content-length": CONTENT.length });
    response.write(CONTENT.subarray(0, 10));
  });
  const once = new HttpReader({ backoffMs: 1, stallMs: 100, retries: 1 });
  await raises("download_failed", /nothing came for 0\.1 s \(2 attempts\)/, () => once.read(at(hanging.url)));
});

test("attempts end, and 403 is not tried again", async (t) => {
  const down = await place(t, (_request, response) => response.writeHead(500).end());
  await raises("download_failed", /answered 500 \(4 attempts\)/, () => quick.read(at(down.url)));
  const closed = await place(t, (_request, response) => response.writeHead(403).end());
  await raises("download_failed", /answered 403/, () => quick.read(at(closed.url)));
  assert.equal(closed.asked.length, 1);
});

test("a length that is not the listed one, and another checksum, are refused", async (t) => {
  const { url, asked } = await place(t, (_request, response) => response.end(CONTENT));
  await raises("download_failed", /announces 100000 bytes where 7 were listed/, () =>
    quick.read(at(url, { bytes: 7 })),
  );
  const hex = createHash("sha256").update(CONTENT).digest("hex");
  const good = { algorithm: "sha256", hex } as const;
  assert.ok(await quick.read(at(url, { bytes: CONTENT.length, digest: good })));
  const before = asked.length;
  const bad = { algorithm: "sha256", hex: "0".repeat(64) } as const;
  await raises("checksum_mismatch", /its sha256 is/, () => quick.read(at(url, { digest: bad })));
  assert.equal(asked.length, before + 1);
});

test("a file that is too long is refused before it is read, or where it begins to be", async (t) => {
  let sent = 0;
  const { url } = await place(t, (_request, response, path) => {
    if (path === "/file") response.writeHead(200, { "content-length": 10 ** 9 });
    const more = () => {
      while (!response.destroyed && sent < 10 ** 9) {
        sent += 65536;
        if (!response.write(Buffer.alloc(65536))) break;
      }
    };
    response.on("drain", more);
    more();
  });
  await raises("header_too_large", /has 1000000000 bytes/, () => quick.read(at(url)));
  await raises("header_too_large", /more than 200000/, () => quick.read({ url: new URL(`${url}/endless`) }));
  assert.ok(sent < 50_000_000, `${sent} bytes were sent`);
});

test("credentials go to the place they are for, and not where it redirects to", async (t) => {
  const elsewhere = await place(t, (_request, response) => response.end("there"));
  const { url, asked } = await place(t, (_request, response, path) => {
    if (path.startsWith("/file")) response.writeHead(307, { location: "/moved" }).end();
    else response.writeHead(302, { location: `${elsewhere.url}/final` }).end();
  });
  const authorize = async (target: URL) => {
    const signed = new URL(target);
    signed.searchParams.set("sig", "secret");
    return { url: signed, headers: { authorization: "Bearer secret" } };
  };
  const answer = await quick.read(at(url, { authorize }));
  assert.equal(new TextDecoder().decode(answer!.bytes), "there");
  assert.deepEqual(
    asked.map(({ headers }) => headers.authorization),
    ["Bearer secret", "Bearer secret"],
  );
  assert.deepEqual([elsewhere.asked[0].path, elsewhere.asked[0].headers.authorization], ["/final", undefined]);
});

test("a redirect to plain http of another machine, and one in a circle, are not followed", async (t) => {
  const out = await place(t, (_request, response) => response.writeHead(302, { location: "http://192.0.2.1/x" }).end());
  await raises("download_failed", /redirects to http:\/\/192\.0\.2\.1, which is not https/, () =>
    quick.read(at(out.url)),
  );
  const round = await place(t, (_request, response) => response.writeHead(302, { location: "/file" }).end());
  await raises("download_failed", /more than 5 times/, () => quick.read(at(round.url)));
});

test("no message has what stands behind the question mark", async (t) => {
  const { url } = await place(t, (_request, response) => response.writeHead(403).end());
  const asked = quick.read({ url: new URL(`${url}/x?sig=topsecret`), remedy: "Set a token." });
  await asked.then(
    () => assert.fail("it was read"),
    (error) => {
      assert.doesNotMatch(JSON.stringify(error) + error.stack, /topsecret/);
      assert.match(JSON.stringify(error), /Set a token/);
    },
  );
});

test("an aborted signal ends a download at once", async (t) => {
  const { url } = await place(t, () => {});
  const slow = new HttpReader({ stallMs: 60_000 });
  await raises("cancelled", /cancelled/, () => slow.read(at(url), AbortSignal.timeout(50)));
});
