// `molora keys`, and a server that takes what it made, over TLS.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { json, molora, start } from "../run.ts";

test("keys are made, listed and revoked; what cannot be is refused by name", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-keys-"));
  t.after(() => rm(folder, { recursive: true }));
  const keys = ["--keys", join(folder, "k.json")];
  const made = json<{ id: string; secret: string; hash?: string }>(
    await molora([
      "keys",
      "create",
      "--name",
      "alice",
      "--scope",
      "adapter:sql",
      "--concurrent",
      "2",
      "--json",
      ...keys,
    ]),
  );
  assert.match(made.secret, new RegExp(`^molora_${made.id}_`));
  assert.equal(made.hash, undefined);
  const plain = await molora(["keys", "create", "--name", "bob", ...keys]);
  assert.match(plain.stdout, /^molora_[0-9a-f]{8}_[\w-]{43}\n$/, "the secret alone, for scripts");
  assert.doesNotMatch(plain.stderr, new RegExp(plain.stdout.trim().slice(16)));
  const { stdout } = await molora(["keys", "list", ...keys]);
  assert.match(stdout, /alice +valid; adapter:sql; 2 at once\n.*bob +valid; base adapter:\* mixture:\*/);
  assert.equal((await molora(["keys", "revoke", made.id, ...keys])).code, 0);
  assert.match((await molora(["keys", "list", ...keys])).stdout, /alice +revoked 20/);

  const wrong: [string[], RegExp][] = [
    [[], /what is to be done/],
    [["revok"], /Did you mean molora keys revoke/],
    [["create"], /needs --name/],
    [["create", "--name", "x", "--scope", "adapters:sql"], /there is no scope "adapters:sql"/],
    [["create", "x", "--name", "x"], /unexpected argument: x/],
    [["revoke"], /which key/],
    [["revoke", "nobody"], /has no key nobody/],
  ];
  for (const [argv, says] of wrong) {
    const { code, stderr } = await molora(["keys", ...argv, ...keys]);
    assert.equal(code, 2, argv.join(" "));
    assert.match(stderr, says);
  }
});

/** A certificate for localhost; false where there is no openssl to make it. */
function makeCertificate(folder: string, name: string): boolean {
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost", "-days", "2"];
  try {
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...files, ...subject], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

test("TLS with a certificate that is renewed while it runs, keys, and a log without prompts", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-tls-"));
  t.after(() => rm(folder, { recursive: true }));
  if (!makeCertificate(folder, "first")) return t.skip("there is no openssl here to make a certificate with");
  const keyFile = join(folder, "k.json");
  const { stdout } = await molora(["keys", "create", "--name", "alice", "--keys", keyFile]);
  const child = start(
    ["serve", "--port", "0", "--json", "--log", "debug", "--keys", keyFile].concat([
      "--tls-cert",
      join(folder, "cert.pem"),
      "--tls-key",
      join(folder, "key.pem"),
    ]),
  );
  t.after(() => child.kill("SIGKILL"));
  const log = text(child.stderr!);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const { url, port } = JSON.parse(line) as { url: string; port: number };
  assert.match(url, /^wss:/);

  const ask = async (path: string, body?: object) => {
    // As a client that trusts this certificate and no other
    const ca = await readFile(join(folder, "cert.pem"));
    const headers = {
      authorization: `Bearer ${stdout.trim()}`,
      "content-type": "application/json",
      "x-request-id": "req-7",
    };
    const sent = request({ host: "localhost", port, path, method: body ? "POST" : "GET", headers, ca, agent: false });
    sent.end(body && JSON.stringify(body));
    const [answer] = await once(sent, "response");
    const { subject } = answer.socket.getPeerCertificate();
    return {
      status: answer.statusCode,
      id: answer.headers["x-request-id"],
      subject: subject.CN,
      body: await text(answer),
    };
  };
  const prompt = "A secret between us";
  const answered = await ask("/v1/completions", { model: "nano:sql", prompt, max_tokens: 3 });
  assert.deepEqual([answered.status, answered.id, answered.subject], [200, "req-7", "first"]);
  const version = JSON.parse((await ask("/version")).body).version;
  assert.equal(version, JSON.parse(await readFile("package.json", "utf8")).version);

  makeCertificate(folder, "second");
  let subject = "first";
  for (let i = 0; subject === "first" && i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    subject = await ask("/health").then(
      (answer) => answer.subject,
      () => subject,
    );
  }
  assert.equal(subject, "second");

  child.kill("SIGTERM");
  await once(child, "close");
  const lines = (await log).trim().split("\n");
  const entries = lines.filter((entry) => entry.startsWith("{")).map((entry) => JSON.parse(entry));
  const of = (msg: string) => entries.find((entry) => entry.msg === msg);
  assert.deepEqual(of("generation").models, ["nano:sql"]);
  assert.deepEqual([of("generation").request, of("generation").completionTokens], ["req-7", 3]);
  assert.equal(of("http").path, "/v1/completions");
  assert.equal(of("reloaded").what, "certificate");
  assert.ok(of("serving") && of("closing"));
  assert.doesNotMatch(lines.join("\n"), /secret between us/);
  assert.doesNotMatch(lines.join("\n"), new RegExp(stdout.trim().slice(16)));
});
