// Adapters and mixtures by name from servers that speak the real protocols: S3 (s3rver, which knows its keys but checks no signature), Azure (Azurite, with a
// shared access signature), Google (gcp-storage-emulator). Each is installed from its registry; where that cannot be had, it says so.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import type { Routing } from "../../../proto/api.ts";
import { raises } from "../../raises.ts";
import { withEnv } from "./place.ts";
import { azureServer, azuriteSas, contentOf, gcsServer, installed, S3_KEYS, s3Server } from "./real_places.ts";

const NANO = "models/nano";
const CONTENT = new Map([...contentOf(NANO, "shelf")].filter(([key]) => /\/(adapters|mixtures)\//.test(key)));
let reference: Engine;
before(async () => {
  reference = await Engine.load();
});
after(() => reference.close());

async function textOf(engine: Engine, routing: Routing): Promise<string> {
  let text = "";
  const request = { prompt: "How many singers are there?", maxTokens: 6, ignoreEos: true };
  for await (const event of engine.generate({ ...request, ...routing })) text += event.text;
  return text;
}

function cacheFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "molora-places-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** An adapter, a mixture with its experts and a name that is nowhere, from a place; then once more from the disk alone. */
async function serves(t: TestContext, root: string): Promise<void> {
  const sources = [`${root}/shelf/adapters`, `${root}/shelf/mixtures`];
  const diskCache = cacheFolder(t);
  const load = () => Engine.load({ model: NANO, sources, allowSources: [root], diskCache });
  const engine = await load();
  try {
    for (const routing of [{ adapter: "sql" }, { mixture: "default" }, { adapter: "math" }]) {
      assert.equal(await textOf(engine, routing), await textOf(reference, routing), JSON.stringify(routing));
    }
    const direct = `${root}/shelf/adapters/code`;
    assert.equal(await textOf(engine, { adapter: direct }), await textOf(reference, { adapter: "code" }));
    assert.ok(engine.listNames().some(({ name }) => /^code\.[0-9a-f]{8}$/.test(name)));
    await raises("unknown_adapter", /"nowhere"/, () => textOf(engine, { adapter: "nowhere" }));
  } finally {
    await engine.close();
  }
  // A file of the cache that was truncated between two runs is fetched anew.
  const blobs = join(diskCache, "blobs");
  for (const blob of readdirSync(blobs).slice(0, 2)) truncateSync(join(blobs, blob), 10);
  const again = await load();
  try {
    for (const adapter of ["sql", "math"])
      assert.equal(await textOf(again, { adapter }), await textOf(reference, { adapter }));
  } finally {
    await again.close();
  }
}

test("S3", async (t) => {
  const place = await installed("npm");
  if ("missing" in place) return t.skip(`s3rver cannot be installed: ${place.missing}`);
  const url = await s3Server(t, place.bin, "bucket", CONTENT);
  const keys = { AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey };
  withEnv(t, { AWS_ENDPOINT_URL_S3: url, AWS_REGION: "us-east-1", ...keys });
  await serves(t, "s3://bucket");
  withEnv(t, { AWS_ACCESS_KEY_ID: "wrong" });
  const locked = await Engine.load({ model: NANO, sources: ["s3://bucket/shelf/adapters"], diskCache: cacheFolder(t) });
  try {
    await raises("download_failed", /answered 403/, () => textOf(locked, { adapter: "sql" }));
  } finally {
    await locked.close();
  }
});

test("Google Cloud Storage with HMAC keys speaks S3", async (t) => {
  const place = await installed("npm");
  if ("missing" in place) return t.skip(`s3rver cannot be installed: ${place.missing}`);
  const url = await s3Server(t, place.bin, "bucket", CONTENT);
  const keys = { GS_ACCESS_KEY_ID: S3_KEYS.accessKeyId, GS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey };
  withEnv(t, { STORAGE_EMULATOR_HOST: url, ...keys });
  await serves(t, "gs://bucket");
});

test("Google Cloud Storage", async (t) => {
  const place = await installed("pip");
  if ("missing" in place) return t.skip(`gcp-storage-emulator cannot be installed: ${place.missing}`);
  const url = await gcsServer(t, place.bin, "bucket", CONTENT);
  withEnv(t, { STORAGE_EMULATOR_HOST: url, GS_ACCESS_KEY_ID: undefined, GOOGLE_OAUTH_ACCESS_TOKEN: "anything" });
  await serves(t, "gs://bucket");
});

test("Azure Blob Storage", async (t) => {
  const place = await installed("npm");
  if ("missing" in place) return t.skip(`Azurite cannot be installed: ${place.missing}`);
  const endpoint = await azureServer(t, place.bin, "box", CONTENT);
  withEnv(t, { AZURE_STORAGE_BLOB_ENDPOINT: endpoint, AZURE_STORAGE_SAS_TOKEN: azuriteSas("rl") });
  await serves(t, "az://devstoreaccount1/box");
});
