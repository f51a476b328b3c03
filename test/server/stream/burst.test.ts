// Bursts of frames on one socket: answered in order, none lost, and another socket is not kept waiting.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RawConnection, serve, until } from "../connections.ts";
import { script } from "../scripted_engine.ts";

test("five thousand frames in a row are all answered, in their order", async (t) => {
  const [server] = await serve(t);
  const burst = await RawConnection.open(server.url);
  const beside = await RawConnection.open(server.url);
  t.after(() => {
    burst.socket.terminate();
    beside.socket.terminate();
  });
  for (let i = 0; i < 5000; i++) burst.say({ type: "cancel", id: `r${i}` });
  beside.say({ type: "generate", id: "beside", ...script({ tokens: 2 }) });
  await beside.hear({ type: "done", id: "beside" });
  await until(() => burst.heard.length === 5000, "every frame to be answered");
  assert.deepEqual(
    burst.heard.map(({ code, id }) => [code, id]),
    Array.from({ length: 5000 }, (_, i) => ["unknown_request", `r${i}`]),
  );
});

test("requests of a burst beyond the limit are refused, the others run", async (t) => {
  const [server, engine] = await serve(t, { limits: { maxRequests: 8 } });
  const connection = await RawConnection.open(server.url);
  t.after(() => connection.socket.terminate());
  const request = script({ tokens: 1, hang: true });
  for (let i = 0; i < 1000; i++) connection.say({ type: "generate", id: `r${i}`, ...request });
  const refused = () => connection.heard.filter(({ code }) => code === "queue_full").length;
  await until(() => refused() === 992, "the rest to be refused");
  assert.equal(engine.running, 8);
});

test("a socket that closes in the middle of its burst leaves nothing behind", async (t) => {
  const [server, engine] = await serve(t);
  const connection = await RawConnection.open(server.url);
  const request = script({ tokens: 1, hang: true });
  for (let i = 0; i < 2000; i++) connection.say({ type: "generate", id: `r${i}`, ...request });
  await until(() => engine.running > 0, "some to run");
  connection.socket.terminate();
  await until(() => engine.running === 0, "all to be cancelled");
});

test("a byte order mark before a frame is no part of it; deep frames are refused by name", async (t) => {
  const [server] = await serve(t);
  const connection = await RawConnection.open(server.url);
  t.after(() => connection.socket.terminate());
  connection.say(`\uFEFF${JSON.stringify({ type: "cancel", id: "marked" })}`);
  await connection.hear({ code: "unknown_request", id: "marked" });
  connection.say(`{"type":"cancel","id":${"[".repeat(4500)}${"]".repeat(4500)}}`);
  const { message } = await connection.hear({ code: "bad_request" });
  assert.match(String(message), /nested more than 128 deep/);
  connection.say(JSON.stringify({ type: "generate", id: "half", prompt: "\ud800" }));
  await connection.hear({ code: "bad_request", id: "half" });
});
