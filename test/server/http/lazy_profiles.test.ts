// Profiles that are opened when somebody asks for them: once for all who ask, over either protocol; and closed again where memory is
// short, never one that somebody uses.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { type LazyEngine, serveProfiles } from "../../../server/http/serve.ts";
import { until } from "../connections.ts";
import { post } from "./http_server.ts";

const FOLDER = "models/nano/adapters";

interface Counted extends LazyEngine {
  opened: number;
  closed: number;
  failing: boolean;
}

function lazy(adapter: string): Counted {
  const made: Counted = {
    opened: 0,
    closed: 0,
    failing: false,
    async open() {
      made.opened++;
      if (made.failing) throw new MoloraError("gpu_limit", "the device has no room", { remedy: "Wait." });
      const small = { poolBytes: 32 * 2 ** 20, contextLength: 512, device: "cpu", threads: 1 } as const;
      return Engine.load({ model: "models/nano", adapters: { [adapter]: `${FOLDER}/${adapter}` }, ...small });
    },
    async close(engine) {
      made.closed++;
      await (engine as Engine).close();
    },
  };
  return made;
}

async function serving(t: TestContext) {
  const profiles = { math: lazy("math"), sql: lazy("sql") };
  const server = await serveProfiles(profiles, {});
  t.after(() => server.close());
  const get = async (path: string) => (await fetch(new URL(path, server.baseUrl))).text();
  const ask = (model: string) =>
    post(`${server.baseUrl}/completions`, { model, prompt: "Add 2 and 3.", max_tokens: 4, temperature: 0 });
  return { ...profiles, server, get, ask };
}

test("nothing that only looks opens a profile; who asks does, once for all who ask at a time", async (t) => {
  const { math, sql, server, get, ask } = await serving(t);
  const ids = async () => (JSON.parse(await get("/v1/models")) as { data: { id: string }[] }).data.map(({ id }) => id);
  assert.deepEqual(await ids(), ["math", "sql"]);
  assert.equal(JSON.parse(await get("/ready")).status, "ok");
  assert.match(await get("/metrics"), /molora_profile_open\{profile="math"\} 0/);
  assert.deepEqual([math.opened, sql.opened], [0, 0]);
  const answers = await Promise.all([1, 2, 3].map(() => ask("math:math")));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  assert.deepEqual([math.opened, sql.opened], [1, 0]);
  assert.deepEqual(await ids(), ["math", "math:math", "sql"]);
  assert.match(await get("/metrics"), /molora_profile_open\{profile="math"\} 1/);
  assert.match(await get("/metrics"), /molora_generated_tokens_total\{profile="math"\} 12/);
  assert.equal((await ask("none:math")).status, 404);
  assert.equal((await fetch(new URL("/v1/models/sql:sql", server.baseUrl))).status, 200);
  assert.equal(sql.opened, 1, "a model of it is looked for in it");
});

test("a stream opens its profile; one that somebody uses stays, an idle one goes, and comes again", async (t) => {
  const { math, sql, server, ask } = await serving(t);
  const client = await MoloraClient.connect(`${server.url}?profile=sql`);
  t.after(() => client.close());
  const long = client.generate({ prompt: "List all users.", adapter: "sql", maxTokens: 300, ignoreEos: true });
  const iterator = long[Symbol.asyncIterator]();
  await iterator.next();
  const textOf = async () => ((await ask("math:math")).body.choices as { text: string }[])[0].text;
  const said = await textOf();
  await until(() => server.running === 1, "for the answer to be over");
  await server.release(() => false);
  assert.deepEqual([math.closed, sql.closed], [1, 0]);
  assert.equal(await textOf(), said);
  assert.equal(math.opened, 2);
  await iterator.return?.();
  await until(() => server.running === 0, "for the stream to end");
  await server.release(() => sql.closed > 0);
  assert.deepEqual([math.closed, sql.closed], [1, 1], "the one asked for longest ago goes first, and that was enough");
});

test("one that cannot be opened says why, and is tried again by who asks next", async (t) => {
  const { math, ask } = await serving(t);
  math.failing = true;
  const { status, body } = await ask("math");
  assert.deepEqual([status, body.error?.code], [new MoloraError("gpu_limit", "").status, "gpu_limit"]);
  math.failing = false;
  assert.equal((await ask("math")).status, 200);
  assert.equal(math.opened, 2);
});

test("what was opened ahead is there for who asks, and is closed with the server", async (t) => {
  const { math, sql, server, ask } = await serving(t);
  await server.open("sql");
  assert.equal((await ask("sql:sql")).status, 200);
  assert.equal(sql.opened, 1);
  await server.close();
  assert.deepEqual([math.closed, sql.closed], [0, 1]);
});
