// The package as its users get it: packed, installed into an empty project, embedded, run by npx, and type-checked.
// Needs npm's registry or its cache for the dependencies; skips loudly without either.

import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";

const project = mkdtempSync(join(tmpdir(), "molora-project-"));
after(() => rmSync(project, { recursive: true, force: true }));

function run(cwd: string, command: string, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000, maxBuffer: 2 ** 26 });
}

function succeed(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = run(cwd, command, ...args);
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

interface Packed {
  filename: string;
  files: { path: string }[];
}

test("the tarball holds what is needed to run, and installs, embeds, runs and type-checks", async (t) => {
  const [packed]: Packed[] = JSON.parse(
    succeed(".", "npm", "pack", "--ignore-scripts", "--json", "--pack-destination", project),
  );
  const paths = packed.files.map(({ path }) => path);
  const needed = [
    "bin/molora.mjs",
    "models/nano/nano.Q8_0.gguf",
    "shaders/linear.wgsl",
    "proto/molora.proto",
    "LICENSE",
  ];
  for (const path of needed) assert.ok(paths.includes(path), `${path} is packed`);
  const unwanted = paths.filter((path) => /^(test|dist\/test|perf|dist\/perf)\/|\.map$|\.tgz$/.test(path));
  assert.deepStrictEqual(unwanted, []);

  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  const installed = run(project, "npm", "install", "--prefer-offline", "--no-audit", join(project, packed.filename));
  if (installed.status !== 0) {
    // No network is no fault of the package; anything else is.
    assert.match(installed.stderr, /ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENOTCACHED|network/i, installed.stderr);
    return t.skip("npm reaches no registry and has no cache of the dependencies");
  }

  copyFileSync(resolve("examples/embed.mjs"), join(project, "embed.mjs"));
  assert.match(succeed(project, "node", "embed.mjs"), /\n24 tokens, length\n$/);

  const generate = ["molora", "generate", "--prompt", "Hello", "--max-tokens", "4", "--json"];
  const answer = JSON.parse(succeed(project, "npx", "--no-install", ...generate));
  assert.equal(answer.ids.length, 4);

  writeFileSync(join(project, "typed.ts"), TYPED);
  const tsc = resolve("node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--skipLibCheck"];
  const lib = ["--lib", "es2023,dom,dom.asynciterable"];
  assert.equal(succeed(project, "node", tsc, ...flags, ...lib, "typed.ts"), "");
});

const TYPED = `
import { Engine, MoloraError, type GenerationEvent } from "molora";
import { MoloraClient } from "molora/client";
import { serve } from "molora/server";

const engine = await Engine.load();
const { url } = await serve(engine);
const client: MoloraClient = await MoloraClient.connect(url);
try {
  for await (const event of client.generate({ prompt: "Hello", mixture: "default" })) {
    const { text }: GenerationEvent = event;
    const shown: string = text;
  }
} catch (error) {
  if (error instanceof MoloraError) error.code satisfies string;
}
`;
