// The client against a real server, in every encoding: streams, cancellation, administration, and every way to lose it.
// The engine is scripted; the sockets are real.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import type { Accepted, GenerationEvent } from "../../proto/api.ts";
import { MoloraClient } from "../../proto/client.ts";
import type { Encoding } from "../../proto/encodings.ts";
import { serve, until } from "../server/connections.ts";
import { ScriptedEngine, script } from "../server/scripted_engine.ts";

async function collect(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

for (const encoding of ["proto", "msgpack", "json"] satisfies Encoding[]) {
  test(`${encoding}: what the engine streams is what the client streams`, async (t) => {
    const [{ url }] = await serve(t);
    const client = await MoloraClient.connect(url, { encoding });
    const accepted: Accepted[] = [];
    const onAccepted = (a: Accepted) => accepted.push(a);
    const [streamed, beside] = await Promise.all([
      collect(client.generate(script({ tokens: 20 }), { onAccepted })),
      collect(client.generate(script({ tokens: 30 }))),
    ]);
    const expected: Accepted[] = [];
    const direct = new ScriptedEngine().generate(script({ tokens: 20 }), { onAccepted: (a) => expected.push(a) });
    assert.deepStrictEqual(streamed, await collect(direct));
    assert.deepStrictEqual(accepted, expected);
    assert.equal(beside.length, 31);
    await client.close();
  });

  test(`${encoding}: administration`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), "molora-"));
    const options = { adapterRoot: dirname(root), mixtureRoot: dirname(root), token: "s3cret ✓" };
    const [{ url }, engine] = await serve(t, options);
    const client = await MoloraClient.connect(url, { encoding, token: "s3cret ✓" });
    assert.deepStrictEqual(await client.adapters(), []);
    const report = await client.loadAdapter("math", basename(root));
    assert.deepStrictEqual(await client.adapters(), [report]);
    await client.unloadAdapter("math");
    assert.deepStrictEqual(await client.mixtures(), engine.listMixtures());
    assert.equal((await client.loadMixture("m", basename(root))).hash, "22");
    await client.unloadMixture("m");
    assert.deepStrictEqual(await client.stats(), engine.stats());
    await assert.rejects(client.unloadAdapter("math"), { name: "MoloraError", code: "unknown_adapter" });
    await client.close();
  });

  test(`${encoding}: errors keep code and remedy, and leave the connection whole`, async (t) => {
    const [{ url }] = await serve(t);
    const client = await MoloraClient.connect(url, { encoding });
    const nowhere = collect(client.generate({ prompt: "a", mixture: "nowhere" }));
    await assert.rejects(nowhere, { code: "unknown_mixture", message: "no such mixture", remedy: "Load it." });
    await assert.rejects(client.loadAdapter("math"), { code: "not_permitted" });
    const misspelt = { prompt: "a", top_p: 1 };
    await assert.rejects(collect(client.generate(misspelt)), { code: "unknown_field" });
    await assert.rejects(collect(client.generate({ prompt: "a", topP: 2 })), { code: "bad_request" });
    assert.equal((await collect(client.generate(script({ tokens: 1 })))).length, 2);
    await client.close();
  });
}

test("aborting the signal ends the stream with done, finish reason cancelled", async (t) => {
  const [{ url }, engine] = await serve(t);
  const client = await MoloraClient.connect(url);
  const abort = new AbortController();
  const seen: GenerationEvent[] = [];
  for await (const event of client.generate(script({ tokens: 3, hang: true }), { signal: abort.signal })) {
    if (seen.push(event) === 3) abort.abort();
  }
  const last = seen.at(-1);
  assert.equal(last?.type === "done" && last.finishReason, "cancelled");
  assert.equal(engine.cancelled.length, 1);
  const late = collect(client.generate(script({ tokens: 1 }), { signal: abort.signal }));
  await assert.rejects(late, { code: "cancelled" });
  await client.close();
});

test("leaving the loop cancels that request alone", async (t) => {
  const [{ url }, engine] = await serve(t);
  const client = await MoloraClient.connect(url);
  const other = collect(client.generate(script({ tokens: 100 })));
  for await (const _event of client.generate(script({ tokens: 1, hang: true }))) break;
  await until(() => engine.cancelled.length === 1, "for it to be cancelled");
  assert.equal((await other).length, 101);
  assert.equal((await client.stats()).running, 0);
  await client.close();
});

test("closing the client ends its loops and cancels on the server; afterwards nothing can be asked", async (t) => {
  const [{ url }, engine] = await serve(t);
  const client = await MoloraClient.connect(url);
  const open = collect(client.generate(script({ tokens: 1, hang: true })));
  const ends = assert.rejects(open, { code: "cancelled" });
  await until(() => engine.running === 1, "for it to run");
  await client.close();
  await ends;
  await until(() => engine.running === 0, "for it to be cancelled");
  await assert.rejects(client.stats(), { code: "cancelled" });
});

test("a server that closes ends open requests with engine_closed", async (t) => {
  const [server, engine] = await serve(t);
  const client = await MoloraClient.connect(server.url);
  const ends = assert.rejects(collect(client.generate(script({ tokens: 1, hang: true }))), { code: "engine_closed" });
  await until(() => engine.running === 1, "for it to run");
  await server.close();
  await ends;
});

test("a frame too large ends the connection, and says so", async (t) => {
  const [{ url }] = await serve(t, { limits: { maxFrameBytes: 1000 } });
  const client = await MoloraClient.connect(url);
  await assert.rejects(collect(client.generate({ prompt: "x".repeat(2000) })), { code: "frame_too_large" });
});

test("a connection that breaks, or a server that breaks the contract, ends what is open", async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address() as { port: number };
  const url = `ws://127.0.0.1:${address.port}`;
  server.once("connection", (socket) => socket.on("message", () => socket.terminate()));
  const broken = await MoloraClient.connect(url);
  await assert.rejects(broken.stats(), { code: "connection_lost" });
  await assert.rejects(broken.stats(), { code: "connection_lost" });
  server.once("connection", (socket) => socket.on("message", () => socket.send("{}")));
  const lying = await MoloraClient.connect(url);
  await assert.rejects(lying.stats(), { code: "bad_frame" });
  server.once("connection", (socket) => {
    socket.on("message", () => socket.send(JSON.stringify({ type: "unloaded", id: "1", name: "math" })));
  });
  const confused = await MoloraClient.connect(url, { encoding: "json" });
  await assert.rejects(confused.stats(), { code: "bad_frame" });
  await confused.close();
});

test("what cannot be connected to", async (t) => {
  const [{ url, close }] = await serve(t, { token: "s3cret" });
  await assert.rejects(MoloraClient.connect("nonsense"), { code: "bad_arguments" });
  await assert.rejects(MoloraClient.connect(url, { token: "guess" }), { code: "connection_lost" });
  await close();
  await assert.rejects(MoloraClient.connect(url), { code: "connection_lost" });
});

test("nothing the client imports is Node's own", async () => {
  const seen = new Set<string>();
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = await readFile(file, "utf8");
    for (const [, target] of source.matchAll(/(?:from|import)\s*\(?"([^"]+)"/g)) {
      assert.ok(!target.startsWith("node:"), `${file} imports ${target}`);
      if (target.startsWith(".")) await visit(join(dirname(file), target));
    }
  };
  await visit(fileURLToPath(new URL("../../proto/client.js", import.meta.url)));
  assert.ok(seen.size > 10, [...seen].join(" "));
});
