// The package as its users get it: packed, installed into an empty project, embedded, run by npx, and type-checked.
// Installing needs npm's registry or its cache for the dependencies; skips loudly without either.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

interface Ran {
  /** 0: done; null: killed. */
  code: number | null;
  stdout: string;
  stderr: string;
}

interface Packed {
  filename: string;
  files: { path: string }[];
}

/** No fault of the package's: npm's words for a registry that cannot be reached. */
const UNREACHABLE = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|EAI_AGAIN|ENOTCACHED/;

const MINUTE = 60_000;

let project: string;
let packed: Packed;

before(async () => {
  project = await mkdtemp(join(tmpdir(), "molora-project-"));
  const flags = ["--ignore-scripts", "--json", "--pack-destination", project];
  [packed] = JSON.parse(await succeed(".", "npm", "pack", ...flags)) as [Packed];
});
after(() => rm(project, { recursive: true, force: true }));

test("the tarball holds what is needed to run, and nothing that only tests need", () => {
  const paths = packed.files.map(({ path }) => path);
  const needed = [
    "bin/molora.mjs",
    "models/nano/nano.Q8_0.gguf",
    "shaders/linear.wgsl",
    "dist/engine/cpu/kernels.wasm",
    "dist/engine/cpu/kernels_plain.wasm",
    "dist/engine/cpu/kernels.json",
    "proto/molora.proto",
    "LICENSE",
  ];
  for (const path of needed) assert.ok(paths.includes(path), `${path} is packed`);
  const unwanted = paths.filter((path) => /^(test|dist\/test|perf|dist\/perf)\/|\.map$|\.tgz$/.test(path));
  assert.deepEqual(unwanted, []);
});

test("installed into an empty project, it embeds, runs and type-checks", { timeout: 15 * MINUTE }, async (t) => {
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  // npm asks an unreachable registry for one dependency after another: at its own patience that takes many minutes
  const patience = ["--fetch-retries", "1", "--fetch-retry-mintimeout", "1000", "--fetch-timeout", String(MINUTE)];
  const tarball = join(project, packed.filename);
  const installed = await run(project, "npm", "install", "--prefer-offline", "--no-audit", ...patience, tarball);
  if (installed.code !== 0) {
    assert.match(installed.stderr, UNREACHABLE, installed.stderr);
    return t.skip("npm reaches no registry and has no cache of the dependencies: the package was not installed");
  }

  await writeFile(join(project, "embed.mjs"), await readmeExample(`from "molora"`));
  assert.match(await succeed(project, "node", "embed.mjs"), /symptoms/);

  const generate = ["molora", "generate", "--prompt", "Hello", "--max-tokens", "4", "--json"];
  const answer = JSON.parse(await succeed(project, "npx", "--no-install", ...generate));
  assert.equal(answer.ids.length, 4);

  await writeFile(join(project, "typed.ts"), TYPED);
  const tsc = resolve("node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--skipLibCheck"];
  const lib = ["--lib", "es2023,dom,dom.asynciterable"];
  assert.equal(await succeed(project, "node", tsc, ...flags, ...lib, "typed.ts"), "");
});

/** The README's JavaScript block that has `mark`. */
async function readmeExample(mark: string): Promise<string> {
  const blocks = (await readFile("README.md", "utf8")).matchAll(/^```js\n(.*?)^```$/gms);
  const example = [...blocks].find(([, code]) => code.includes(mark));
  assert.ok(example, `an example in README.md has ${mark}`);
  return example[1];
}

function run(cwd: string, command: string, ...args: string[]): Promise<Ran> {
  return new Promise((done) => {
    const options = { cwd, timeout: 5 * MINUTE, maxBuffer: 2 ** 26 };
    const child = execFile(command, args, options, (_, stdout, stderr) => {
      done({ code: child.exitCode, stdout, stderr });
    });
    child.stdin!.end();
  });
}

async function succeed(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(cwd, command, ...args);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

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
