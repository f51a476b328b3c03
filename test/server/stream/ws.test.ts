// Sockets at their limits: who may connect, frames too large, readers too slow, peers gone silent, a server closing.
// The engine is scripted; sockets, frames and limits are real.

import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { startServer } from "../../../server/server.ts";
import { RawConnection, refusal, serve, until } from "../connections.ts";
import { ScriptedEngine, script } from "../scripted_engine.ts";

const generate = (id: string, steps: Parameters<typeof script>[0]) => ({ type: "generate", id, ...script(steps) });

test("an oversize frame is answered and ends its socket with 1009", async (t) => {
  const [{ url }, engine] = await serve(t, { limits: { maxFrameBytes: 1000 } });
  const [large, other] = [await RawConnection.open(url), await RawConnection.open(url)];
  large.say(generate("a", { tokens: 0, hang: true }));
  other.say(generate("a", { tokens: 0, hang: true }));
  await until(() => engine.running === 2, "for both to run");
  large.say({ type: "generate", id: "b", prompt: "x".repeat(1000) });
  assert.equal((await large.closed).code, 1009);
  const error = await large.hear({ type: "error" });
  assert.equal(error.code, "frame_too_large");
  assert.deepStrictEqual(error.details, { maxFrameBytes: 1000 });
  await until(() => engine.running === 1, "for its request to be cancelled");
  assert.equal(other.socket.readyState, other.socket.OPEN);
});

test("a slow reader slows only itself, is cut off, and its requests are cancelled", async (t) => {
  const [{ url }, engine] = await serve(t, { limits: { stallMs: 300, closeMs: 50 } });
  const [slow, quick] = [await RawConnection.open(url), await RawConnection.open(url)];
  const endless = { tokens: 1e6, size: 64 * 1024 };
  slow.socket.pause();
  slow.say(generate("a", endless));
  const pulled = () => engine.pulled.get(JSON.stringify(endless)) ?? 0;
  // The kernel takes some megabytes, then the engine is no longer pulled.
  let before = -1;
  await until(() => {
    const stopped = before === pulled() && before > 10;
    before = pulled();
    return stopped;
  }, "for the slow stream to stop");
  quick.say(generate("a", { tokens: 500 }));
  await quick.hear({ type: "done", id: "a" });
  await until(() => engine.running === 0, "for the slow reader's request to end");
  assert.ok(pulled() < 1000, `${pulled()} tokens were pulled`);
  assert.equal(quick.socket.readyState, quick.socket.OPEN);
  slow.socket.resume();
  await slow.closed;
});

test("a reader that catches up in time is served whole", async (t) => {
  const [{ url }] = await serve(t, { limits: { softBufferBytes: 64 * 1024 } });
  const connection = await RawConnection.open(url);
  connection.socket.pause();
  connection.say(generate("a", { tokens: 300, size: 64 * 1024 }));
  await new Promise((resolve) => setTimeout(resolve, 100));
  connection.socket.resume();
  await connection.hear({ type: "done", id: "a" });
  assert.equal(connection.heard.filter((message) => message.type === "token").length, 300);
});

test("replies nobody reads are cut off at the hard limit, with the reason", async (t) => {
  const limits = { softBufferBytes: 1000, hardBufferBytes: 100_000, closeMs: 30_000 };
  const [{ url, http }] = await serve(t, { limits });
  let arrived = () => 0;
  http.on("connection", (socket) => {
    arrived = () => socket.bytesRead;
  });
  const connection = await RawConnection.open(url);
  connection.socket.pause();
  const question = JSON.stringify({ type: "x".repeat(30), id: "y".repeat(100) });
  // Their replies are more than the kernel takes, by far
  for (let i = 0; i < 40_000; i++) connection.say(question);
  await until(() => arrived() > 40_000 * question.length, "for all questions to arrive", 60_000);
  connection.socket.resume();
  const { code, reason } = await connection.closed;
  assert.deepStrictEqual([code, reason], [1008, "slow_reader"]);
  assert.equal(connection.heard.at(-1)?.code, "slow_reader");
});

test("a peer gone silent is dropped; one that answers pings stays", async (t) => {
  const [{ url }, engine] = await serve(t, { limits: { pingMs: 40 } });
  const alive = await RawConnection.open(url);
  const silent = await RawConnection.open(url, { autoPong: false });
  for (const connection of [alive, silent]) connection.say(generate("a", { tokens: 0, hang: true }));
  await until(() => engine.running === 2, "for both to run");
  assert.equal((await silent.closed).code, 1006);
  await until(() => engine.running === 1, "for its request to be cancelled");
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(alive.socket.readyState, alive.socket.OPEN);
});

test("encodings: the first known in the client's order, JSON by default, none in common is refused", async (t) => {
  const [{ url }] = await serve(t);
  assert.equal((await RawConnection.open(url)).socket.protocol, "");
  const offers = ["molora.v9.proto", "molora.v1.msgpack", "molora.v1.json"];
  assert.equal((await RawConnection.open(url, {}, offers)).socket.protocol, "molora.v1.msgpack");
  assert.deepStrictEqual(await refusal(url, {}, ["graphql-ws"]), { status: 400, code: "bad_request" });
});

test("paths: /v1/stream and / alone", async (t) => {
  const [{ url, port }] = await serve(t);
  assert.equal(url, `ws://127.0.0.1:${port}/v1/stream`);
  await RawConnection.open(`ws://127.0.0.1:${port}/?a=b`);
  assert.equal((await refusal(`ws://127.0.0.1:${port}/v2`)).code, "bad_request");
});

test("origins: pages of this address and those allowed, no others", async (t) => {
  const [{ url, port }] = await serve(t, { allowedOrigins: ["https://example.org"] });
  for (const origin of [undefined, "https://example.org", `http://127.0.0.1:${port}`]) {
    await RawConnection.open(url, origin === undefined ? {} : { origin });
  }
  const strangers: [origin: string, host?: string][] = [
    ["https://example.com"],
    ["null"],
    ["http://127.0.0.1:1"],
    // A name its owner pointed at this machine.
    [`http://evil.example:${port}`, `evil.example:${port}`],
  ];
  for (const [origin, host] of strangers) {
    const headers = host === undefined ? {} : { headers: { host } };
    assert.deepStrictEqual(await refusal(url, { origin, ...headers }), { status: 403, code: "not_permitted" }, origin);
  }
});

test("tokens: the right one opens administration, a wrong one is refused, none reads only", async (t) => {
  const [{ url }] = await serve(t, { token: "s3cret" });
  const unload = { type: "adapter_unload", id: "1", name: "x" };
  const bearer = `molora.bearer.${Buffer.from("s3cret").toString("base64url")}`;
  const known = [
    await RawConnection.open(url, { headers: { authorization: "Bearer s3cret" } }),
    await RawConnection.open(url, {}, ["molora.v1.json", bearer]),
  ];
  for (const connection of known) {
    connection.say(unload);
    assert.equal((await connection.hear({ id: "1" })).code, "unknown_adapter");
  }
  const stranger = await RawConnection.open(url);
  stranger.say(unload);
  assert.equal((await stranger.hear({ id: "1" })).code, "not_permitted");
  const wrong = { headers: { authorization: "Bearer guess" } };
  assert.deepStrictEqual(await refusal(url, wrong), { status: 403, code: "not_permitted" });
});

test("sockets are limited in all", async (t) => {
  const [{ url }] = await serve(t, { limits: { maxSockets: 1 } });
  const first = await RawConnection.open(url);
  assert.deepStrictEqual(await refusal(url), { status: 429, code: "queue_full" });
  first.socket.close();
  await first.closed;
  await RawConnection.open(url);
});

test("closing tells every socket, cancels everything and frees the port, a deaf peer notwithstanding", async () => {
  const engine = new ScriptedEngine();
  const server = await startServer(engine, { limits: { closeMs: 50 } });
  const connection = await RawConnection.open(server.url);
  const deaf = await RawConnection.open(server.url);
  deaf.socket.pause();
  connection.say(generate("a", { tokens: 0, hang: true }));
  await until(() => engine.running === 1, "for it to run");
  await server.close();
  assert.deepStrictEqual(await connection.closed, { code: 1001, reason: "engine_closed" });
  await until(() => engine.running === 0, "for its request to end");
  const again = await startServer(engine, { port: server.port });
  await assert.rejects(startServer(engine, { port: server.port }), { code: "bad_arguments" });
  await again.close();
  deaf.socket.terminate();
});

test("plain HTTP goes to the handler; by default it says where the stream is", async (t) => {
  const status = (port: number) =>
    new Promise((resolve) => {
      request({ port, agent: false }, (response) => resolve(response.resume().statusCode)).end();
    });
  const [{ port }] = await serve(t);
  assert.equal(await status(port), 426);
  const [other] = await serve(t, { httpHandler: (_request, response) => response.writeHead(204).end() });
  assert.equal(await status(other.port), 204);
  await RawConnection.open(other.url);
});

test("bytes that are no WebSocket end that connection only", async (t) => {
  const [{ url, port }] = await serve(t, { limits: { closeMs: 50 } });
  const connection = await RawConnection.open(url);
  const raw = connect(port, "127.0.0.1");
  raw.on("error", () => {}).resume();
  const head = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  raw.write(`GET / HTTP/1.1\r\n${head}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
  raw.write(Buffer.alloc(100, 0xff));
  await new Promise((resolve) => raw.on("close", resolve));
  connection.say(generate("a", { tokens: 1 }));
  await connection.hear({ type: "done" });
});

test("limits are checked when the server starts", async () => {
  const engine = new ScriptedEngine();
  for (const limits of [{ stallMs: 0 }, { maxFrames: 1 }, { softBufferBytes: 10, hardBufferBytes: 5 }]) {
    await assert.rejects(startServer(engine, { limits }), { code: "bad_arguments" });
  }
});
