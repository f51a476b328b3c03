// A clock that is off, or put forth and back: what is signed, kept and waited for.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { askedWait } from "../../../node/hub/patient_fetch.ts";
import { DiskCache } from "../../../node/sources/disk_cache.ts";
import { Sources } from "../../../node/sources/name_sources.ts";
import { place, withEnv } from "./place.ts";

const DAY = 86_400_000;
const CONFIG = readFileSync("models/nano/adapters/math/adapter_config.json");

function clock(t: TestContext): (jump: number) => void {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  return (jump) => t.mock.timers.setTime(Date.now() + jump);
}

test("a bucket whose clock is a day off is signed for by its own clock", async (t) => {
  withEnv(t, { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret", AWS_SESSION_TOKEN: undefined });
  const theirs = () => Date.now() - DAY;
  const listing = `<Contents><Key>math/adapter_config.json</Key><Size>${CONFIG.length}</Size><ETag>"1"</ETag></Contents>`;
  let refused = 0;
  const { url, asked } = await place(t, ({ headers }, response, path) => {
    response.setHeader("date", new Date(theirs()).toUTCString());
    const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(headers["x-amz-date"]))!;
    const signed = Date.UTC(+y, +mo - 1, +d, +h, +mi, +s);
    if (Math.abs(signed - theirs()) > 15 * 60_000) {
      refused++;
      response.writeHead(403).end("<Error><Code>RequestTimeTooSkewed</Code></Error>");
    } else if (path.includes("list-type=2")) response.end(`<ListBucketResult>${listing}</ListBucketResult>`);
    else response.end(CONFIG);
  });
  withEnv(t, { AWS_ENDPOINT_URL_S3: url });
  const sources = new Sources({ sources: ["s3://bucket"], policy: { backoffMs: 60_000, retries: 2 } });
  const found = await sources.find("math");
  const config = await found!.folder.open("adapter_config.json");
  assert.deepEqual(Buffer.from(await config!.read(0, config!.size)), CONFIG);
  assert.equal(refused, 1, "the second try, and all that follow, go by the bucket's clock");
  assert.ok(asked.length >= 3);
});

test("a refusal by a place whose clock is right is not asked for again", async (t) => {
  withEnv(t, { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "wrong", AWS_SESSION_TOKEN: undefined });
  const { url, asked } = await place(t, (_request, response) => response.writeHead(403).end());
  withEnv(t, { AWS_ENDPOINT_URL_S3: url });
  await assert.rejects(new Sources({ sources: ["s3://bucket"] }).find("math"), { code: "download_failed" });
  assert.equal(asked.length, 1);
});

test("what was fetched last stays in the disk cache though the clock was put back, also in the next process", async (t) => {
  const path = mkdtempSync(join(tmpdir(), "molora-clock-"));
  t.after(() => rmSync(path, { recursive: true }));
  const jump = clock(t);
  const bytes = (fill: number) => new Uint8Array(1000).fill(fill);
  const cache = new DiskCache(path, 2000);
  const first = await cache.put(bytes(1));
  jump(-DAY);
  const second = await cache.put(bytes(2));
  const third = await cache.put(bytes(3));
  const kept = async (each: DiskCache) =>
    Promise.all([first, second, third].map(async (key) => (await each.get(key)) !== undefined));
  assert.deepEqual(await kept(cache), [false, true, true]);
  jump(-DAY);
  const next = new DiskCache(path, 2000);
  assert.ok(await next.get(second));
  await next.put(bytes(4));
  assert.deepEqual(await kept(next), [false, true, false], "the third was used before the second");
});

test("an absent name stays absent for its time, and no longer, whatever the clock does meanwhile", async (t) => {
  const { url, asked } = await place(t, (_request, response) => response.writeHead(404).end());
  const sources = new Sources({ sources: [url], policy: { absentMs: 300 } });
  const jump = clock(t);
  assert.equal(await sources.find("math"), undefined);
  const once = asked.length;
  jump(DAY);
  assert.equal(await sources.find("math"), undefined);
  assert.equal(asked.length, once, "a day forth does not end it");
  jump(-2 * DAY);
  await new Promise((resolve) => setTimeout(resolve, 350));
  assert.equal(await sources.find("math"), undefined);
  assert.equal(asked.length, 2 * once, "a day back does not lengthen it");
});

test("a server that names a time to be asked again means its own clock", () => {
  const at = (ms: number) => new Date(ms).toUTCString();
  const yesterday = Date.now() - DAY;
  const wait = askedWait(new Headers({ date: at(yesterday), "retry-after": at(yesterday + 3000) }));
  assert.equal(wait, 3000);
});
