// Sockets of one port: how many there may be, whatever they speak, and what a reader that hardly reads may hold.

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { RawConnection, refusal, serve, until } from "./connections.ts";
import { script } from "./scripted_engine.ts";

function open(t: TestContext, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
    t.after(() => socket.destroy());
  });
}

test("plain HTTP sockets count as much as WebSockets, and one that goes makes room", async (t) => {
  const [server] = await serve(t, { limits: { maxSockets: 3 } });
  const idle = [await open(t, server.port), await open(t, server.port)];
  const connection = await RawConnection.open(server.url);
  await until(() => server.sockets === 3, "for three sockets");
  assert.deepEqual(await refusal(server.url), { status: 429, code: "queue_full" });
  const plain = await fetch(`http://127.0.0.1:${server.port}/`, { headers: { connection: "close" } });
  assert.equal(plain.status, 429);
  assert.equal(((await plain.json()) as { error: { code: string } }).error.code, "queue_full");
  idle[0].write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const answer = await new Promise<string>((resolve) => idle[0].once("data", (data) => resolve(String(data))));
  assert.match(answer, /^HTTP\/1\.1 426 /, "who was there before is served");
  idle[1].destroy();
  await until(() => server.sockets === 2, "for room");
  await RawConnection.open(server.url);
  connection.socket.close();
});

test("a thousand sockets at once: what fits is kept, the rest is closed, and the port goes on", async (t) => {
  const [server] = await serve(t, { limits: { maxSockets: 20 } });
  const first = await RawConnection.open(server.url);
  const sockets = Array.from({ length: 1000 }, () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    t.after(() => socket.destroy());
    return socket;
  });
  await until(
    () => sockets.filter(({ destroyed, readyState }) => destroyed || readyState === "closed").length > 800,
    "for most to go",
  );
  assert.ok(server.sockets <= 20 + 64, `${server.sockets} are open`);
  first.say({ type: "generate", id: "a", ...script({ tokens: 3 }) });
  await first.hear({ type: "done", id: "a" });
  for (const socket of sockets) socket.destroy();
  await until(() => server.sockets === 1, "for the rest to go");
  await RawConnection.open(server.url);
});

/** A WebSocket client that reads so many bytes a second from its socket, with the kernel's own buffers. */
async function slowReader(t: TestContext, port: number, bytesPerSecond: number) {
  const socket = await open(t, port);
  const key = Buffer.alloc(16, 1).toString("base64");
  socket.write(
    `GET /v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once("readable", resolve));
  const reading = setInterval(() => socket.read(Math.max(1, bytesPerSecond / 10)), 100);
  t.after(() => clearInterval(reading));
  socket.on("error", () => {});
  return { say: (message: object) => socket.write(textFrame(JSON.stringify(message))) };
}

/** One masked text frame (RFC 6455, section 5.2), its mask zero. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  assert.ok(payload.length < 65_536);
  const length =
    payload.length < 126
      ? Buffer.of(0x80 | payload.length)
      : Buffer.of(0x80 | 126, payload.length >> 8, payload.length & 255);
  return Buffer.concat([Buffer.of(0x81), length, Buffer.alloc(4), payload]);
}

test("a reader of a byte a second is cut at the stated buffer, and delays nobody", async (t) => {
  const hardBufferBytes = 400_000;
  const limits = { softBufferBytes: 20_000, hardBufferBytes, stallMs: 500, closeMs: 100 };
  const [server, engine] = await serve(t, { limits });
  const slow = await slowReader(t, server.port, 1);
  // Far less than the kernel's buffers would swallow.
  const endless = { tokens: 1e6, size: 1000 };
  slow.say({ type: "generate", id: "a", ...script(endless) });
  const pulled = () => engine.pulled.get(JSON.stringify(endless)) ?? 0;
  await until(() => pulled() > 0, "for it to begin");
  const quick = await RawConnection.open(server.url);
  const begun = performance.now();
  for (let i = 0; i < 5; i++) {
    quick.say({ type: "generate", id: `q${i}`, ...script({ tokens: 200 }) });
    await quick.hear({ type: "done", id: `q${i}` });
  }
  assert.ok(performance.now() - begun < 5_000);
  await until(() => engine.running === 0, "for the slow reader's request to be cancelled");
  assert.ok(pulled() * 1000 < hardBufferBytes, `${pulled()} kB were produced for a reader that reads nothing`);
  assert.equal(quick.socket.readyState, quick.socket.OPEN);
  await until(() => server.sockets === 1, "for the server to let go of its socket");
});

test("a reader that keeps up is not slowed by receipts: 20 MB arrive whole, with few pings", async (t) => {
  const [server] = await serve(t, { limits: { softBufferBytes: 64 * 1024, hardBufferBytes: 512 * 1024 } });
  const connection = await RawConnection.open(server.url);
  let pings = 0;
  connection.socket.on("ping", () => pings++);
  connection.say({ type: "generate", id: "a", ...script({ tokens: 2000, size: 10_000 }) });
  await until(() => connection.heard.at(-1)?.type === "done", "for all of it", 20_000);
  assert.equal(connection.heard.filter(({ type }) => type === "token").length, 2000);
  assert.ok(pings > 5 && pings < 1300, `${pings} pings`);
});
