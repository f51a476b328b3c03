// The flags of `molora serve`: what cannot be is refused by name before anything is loaded, and what they come to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "../../../cli/flags/arguments.ts";
import { readServeFlags, SERVE_FLAGS } from "../../../cli/flags/serve_flags.ts";
import { raises } from "../../raises.ts";

const read = async (argv: string[]) => readServeFlags(readArguments(argv, SERVE_FLAGS).flags);

const IMPOSSIBLE: [argv: string[], says: RegExp][] = [
  [["--adapter-root", "nowhere"], /--adapter-root nowhere does not exist/],
  [["--mixture-root", "package.json"], /--mixture-root package\.json is no folder/],
  [["--allow-origin", "*"], /"\*" is no origin/],
  [["--allow-origin", "null"], /"null" is no origin/],
  [["--allow-origin", "example.org"], /"example\.org" is no origin/],
  [["--allow-origin", "https://example.org/"], /"https:\/\/example\.org\/" is no origin/],
  [["--allow-origin", "https://Example.org"], /is no origin/],
  [["--allow-origin", "https://example.org:443"], /is no origin/],
  [["--allow-origin", "https://a.org", "--allow-origin", "https://b.org/x"], /b\.org\/x" is no origin/],
  [["--token", ""], /the token is empty/],
  [["--token", "  "], /the token is empty/],
  [["--admin", "--host", "0.0.0.0"], /lets the network load/],
  [["--exit-on-failure", "--no-exit-on-failure"], /contradict/],
  [["--max-sockets", "0"], /--max-sockets must be/],
  [["--max-requests", "x"], /--max-requests must be/],
  [["--max-body-bytes", "1e12"], /--max-body-bytes must be/],
  [["--max-frame-bytes", "-1"], /--max-frame-bytes must be/],
  [["--stall-seconds", "0"], /--stall-seconds must be/],
  [["--close-seconds", "1e9"], /--close-seconds must be/],
  [["--drain-seconds", "-1"], /--drain-seconds must be/],
  [["--tls-cert", "package.json"], /--tls-cert needs --tls-key/],
  [["--tls-key", "package.json"], /--tls-key needs --tls-cert/],
  [["--tls-cert", "package.json", "--tls-key", "package.json"], /no TLS with package\.json/],
  [["--tls-cert", "nowhere", "--tls-key", "nowhere"], /nowhere cannot be read/],
  [["--log", "loud"], /--log must be one of/],
  [["--port", "70000"], /--port must be/],
];

for (const [argv, says] of IMPOSSIBLE) {
  test(`refused: ${argv.map((word) => JSON.stringify(word)).join(" ")}`, () =>
    raises("bad_arguments", says, () => read(argv)));
}

test("an origin that a browser would send in another form is told its form", async () => {
  const error = await read(["--allow-origin", "https://Example.org:443/"]).catch((thrown) => thrown);
  assert.match(error.remedy, /Did you mean https:\/\/example\.org\?/);
});

test("what they come to", async () => {
  const given = ["--drain-seconds", "1.5", "--stall-seconds", "2", "--close-seconds", "0.25", "--max-sockets", "9"];
  const origins = ["--allow-origin", "http://localhost:3000", "--allow-origin", "chrome-extension://abcdef"];
  const settings = await read([
    ...given,
    ...origins,
    "--token",
    "s3cret",
    "--adapter-root",
    "test",
    "--no-exit-on-failure",
  ]);
  assert.deepEqual(settings, {
    access: { admin: false, allowedOrigins: ["http://localhost:3000", "chrome-extension://abcdef"], token: "s3cret" },
    log: { level: "warn", prompts: false },
    roots: { adapterRoot: "test" },
    limits: { maxFrameBytes: 2 ** 20, maxRequests: 256, stallMs: 2000, closeMs: 250, maxSockets: 9 },
    drainMs: 1500,
    exitOnFailure: false,
  });
  assert.equal((await read([])).exitOnFailure, true);
});

test("a variable that is set to nothing counts as unset", async (t) => {
  const before = process.env.MOLORA_TOKEN;
  t.after(() => {
    if (before === undefined) delete process.env.MOLORA_TOKEN;
    else process.env.MOLORA_TOKEN = before;
  });
  process.env.MOLORA_TOKEN = "";
  assert.equal((await read([])).access.token, undefined);
  process.env.MOLORA_TOKEN = "from the environment";
  assert.equal((await read([])).access.token, "from the environment");
  process.env.MOLORA_TOKEN = " ";
  await raises("bad_arguments", /the token is empty/, () => read([]));
});
