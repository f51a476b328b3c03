// The conversation as a stranger with a WebSocket and JSON sees it, on a real server.
// The engine is scripted; sockets, frames and limits are real.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RawConnection, serve, until } from "../connections.ts";
import { script } from "../scripted_engine.ts";

const generate = (id: string, steps: Parameters<typeof script>[0]) => ({ type: "generate", id, ...script(steps) });

test("requests are multiplexed: two streams interleave on one socket", async (t) => {
  const [{ url }] = await serve(t);
  const connection = await RawConnection.open(url);
  connection.say(generate("a", { tokens: 20 }));
  connection.say(generate("b", { tokens: 20 }));
  await Promise.all([connection.hear({ type: "done", id: "a" }), connection.hear({ type: "done", id: "b" })]);
  const ids = connection.heard.map((message) => message.id).join("");
  assert.match(ids, /ab.*ab.*ba/s);
  for (const id of ["a", "b"]) {
    const stream = connection.heard.filter((message) => message.id === id);
    assert.deepStrictEqual(
      stream.map((message) => message.type),
      ["accepted", ...Array(20).fill("token"), "done"],
    );
    assert.deepStrictEqual(
      stream.slice(1, -1).map((message) => message.index),
      [...Array(20).keys()],
    );
    assert.deepStrictEqual(stream[0].experts, ["base", "math"]);
    assert.deepStrictEqual(stream[2].traces, [{ perLayer: [1], experts: [1], gates: [] }]);
  }
});

test("cancel ends one request and leaves the other", async (t) => {
  const [{ url }, engine] = await serve(t);
  const connection = await RawConnection.open(url);
  connection.say(generate("a", { tokens: 1, hang: true }));
  connection.say(generate("b", { tokens: 50 }));
  await connection.hear({ type: "token", id: "a" });
  connection.say({ type: "cancel", id: "a" });
  assert.equal((await connection.hear({ type: "done", id: "a" })).finishReason, "cancelled");
  assert.equal((await connection.hear({ type: "done", id: "b" })).finishReason, "length");
  assert.equal(engine.cancelled.length, 1);
  connection.say({ type: "cancel", id: "a" });
  assert.equal((await connection.hear({ type: "error", id: "a" })).code, "unknown_request");
});

test("a malformed frame is answered without an id, a bad request with its own; the rest streams on", async (t) => {
  const [{ url }] = await serve(t);
  const connection = await RawConnection.open(url);
  connection.say(generate("a", { tokens: 50 }));
  connection.say("{nonsense");
  connection.say({ type: "sing", id: "b" });
  connection.say({ ...generate("c", { tokens: 1 }), top_p: 1 });
  connection.say({ ...generate("d", { tokens: 1 }), mixture: "nowhere" });
  connection.say(generate("e", { tokens: 2, fail: true }));
  connection.socket.send(Buffer.from("{}"));
  await connection.hear({ type: "done", id: "a" });
  await connection.hear({ type: "error", id: "e" });
  const errors = connection.heard.filter((message) => message.type === "error");
  const found = errors.map((message) => `${message.id} ${message.code}`).sort();
  assert.deepStrictEqual(found, [
    "b unknown_message",
    "c unknown_field",
    "d unknown_mixture",
    "e internal",
    "undefined bad_frame",
    "undefined bad_frame",
  ]);
  assert.equal(errors.find((message) => message.id === "d")?.remedy, "Load it.");
  assert.equal(connection.socket.readyState, connection.socket.OPEN);
});

test("a second request of an open id is refused without disturbing the first; a closed id is free again", async (t) => {
  const [{ url }, engine] = await serve(t);
  const connection = await RawConnection.open(url);
  connection.say(generate("a", { tokens: 30 }));
  connection.say(generate("a", { tokens: 1 }));
  connection.say({ type: "generate", id: "a", nonsense: 1 });
  const error = await connection.hear({ type: "error", code: "duplicate_id" });
  assert.equal(error.id, undefined);
  assert.deepStrictEqual(error.details, { requestId: "a" });
  assert.equal((await connection.hear({ type: "error", code: "unknown_field" })).id, undefined);
  await connection.hear({ type: "done", id: "a" });
  connection.heard.length = 0;
  connection.say(generate("a", { tokens: 2 }));
  await connection.hear({ type: "done", id: "a" });
  assert.equal(engine.running, 0);
});

test("open requests are limited for each socket", async (t) => {
  const [{ url }] = await serve(t, { limits: { maxRequests: 2 } });
  const connection = await RawConnection.open(url);
  for (const id of ["a", "b", "c"]) connection.say(generate(id, { tokens: 0, hang: true }));
  assert.equal((await connection.hear({ type: "error" })).code, "queue_full");
  assert.equal((await connection.hear({ type: "error" })).id, "c");
  const other = await RawConnection.open(url);
  other.say(generate("c", { tokens: 1 }));
  await other.hear({ type: "done" });
});

test("a socket that closes, or breaks, cancels its requests at once and no others", async (t) => {
  const [{ url }, engine] = await serve(t);
  const [closing, breaking, staying] = [
    await RawConnection.open(url),
    await RawConnection.open(url),
    await RawConnection.open(url),
  ];
  for (const connection of [closing, breaking, staying]) connection.say(generate("a", { tokens: 1, hang: true }));
  await until(() => engine.running === 3, "for three to run");
  closing.socket.close();
  breaking.socket.terminate();
  await until(() => engine.running === 1, "for two to be cancelled");
  assert.equal(
    staying.heard.some((message) => message.type === "done"),
    false,
  );
});

test("administration: open to read, refused to change without permission", async (t) => {
  const [{ url }, engine] = await serve(t, { adapterRoot: tmpdir() });
  const connection = await RawConnection.open(url);
  connection.say({ type: "adapter_list", id: "1" });
  connection.say({ type: "mixture_list", id: "2" });
  connection.say({ type: "stats", id: "3" });
  assert.deepStrictEqual((await connection.hear({ id: "1" })).adapters, []);
  assert.equal((await connection.hear({ id: "2" })).type, "mixtures");
  assert.deepStrictEqual((await connection.hear({ id: "3" })).stats, engine.stats());
  for (const type of ["adapter_load", "adapter_unload", "mixture_load", "mixture_unload"]) {
    connection.say({ type, id: type, name: "math" });
    assert.equal((await connection.hear({ id: type })).code, "not_permitted");
  }
  assert.equal(engine.loaded.size, 0);
});

test("administration: loads stay inside the folder the operator named", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-"));
  const root = join(folder, "adapters");
  await mkdir(join(root, "math"), { recursive: true });
  await mkdir(join(folder, "secret"));
  await symlink(join(folder, "secret"), join(root, "link"));
  const [{ url }, engine] = await serve(t, { admin: true, adapterRoot: root });
  const connection = await RawConnection.open(url);
  const load = async (id: string, fields: Record<string, unknown>) => {
    connection.say({ type: "adapter_load", id, ...fields });
    return connection.hear({ id });
  };
  assert.equal((await load("1", { name: "math" })).type, "loaded");
  assert.equal(engine.loaded.get("math"), join(root, "math"));
  assert.equal((await load("2", { name: "m", path: "./math" })).type, "loaded");
  for (const path of ["../secret", "math/../../secret", join(folder, "secret"), "link", "..", "a\0b"]) {
    assert.equal((await load(`x${path}`, { name: "x", path })).code, "not_permitted", path);
  }
  assert.equal((await load("3", { name: "absent" })).code, "file_not_found");
  connection.say({ type: "mixture_load", id: "4", name: "m" });
  assert.match(String((await connection.hear({ id: "4" })).remedy), /mixtureRoot/);
  connection.say({ type: "adapter_unload", id: "5", name: "math" });
  assert.equal((await connection.hear({ id: "5" })).type, "unloaded");
  connection.say({ type: "adapter_unload", id: "6", name: "math" });
  assert.equal((await connection.hear({ id: "6" })).code, "unknown_adapter");
});
