// The package as its users get it: packed, installed into an empty project by npm and Yarn 1 with engines held to, embedded,
// run by npx, type-checked by several compilers, and bundled.
// Installing needs npm's registry or its cache for the dependencies; skips loudly without either.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, type TestContext, test } from "node:test";

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
    "shaders/layer/linear.wgsl",
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
  if (!(await install(t))) return;
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

test("installed again from its lock file, engines held to", { timeout: 15 * MINUTE }, async (t) => {
  if (!(await install(t))) return;
  const again = await run(project, "npm", "ci", "--prefer-offline", "--no-audit", "--ignore-scripts");
  assert.equal(again.code, 0, again.stderr);
});

test("Yarn 1 takes it, which holds to engines by itself", { timeout: 15 * MINUTE }, async (t) => {
  const folder = join(project, "yarn");
  await mkdir(folder);
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "y", version: "1.0.0", private: true }));
  const add = ["--yes", "yarn@1.22.22", "add", "--ignore-scripts", "--non-interactive"];
  const added = await run(folder, "npx", ...add, `file:${join(project, packed.filename)}`);
  if (added.code !== 0 && UNREACHABLE.test(added.stderr)) return t.skip("no registry for Yarn and the dependencies");
  assert.equal(added.code, 0, added.stderr);
});

test("TypeScript 5 and 7 take its types, checked through, with neither the dom's nor Node's", {
  timeout: 15 * MINUTE,
}, async (t) => {
  const versions = ["typescript54@npm:typescript@5.4.5", "typescript5@npm:typescript@5.9.3"];
  if (!(await install(t, ...versions))) return;
  const compilers = [
    resolve("node_modules/typescript/bin/tsc"),
    ...["typescript54", "typescript5"].map((name) => join(project, "node_modules", name, "bin", "tsc")),
  ];
  const sources = { "engine.ts": ENGINE_ONLY, "client.ts": CLIENT_ONLY, "server.ts": TYPED };
  for (const [name, source] of Object.entries(sources)) await writeFile(join(project, name), source);
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2023"];
  for (const tsc of compilers) {
    const check = (...more: string[]) => succeed(project, "node", tsc, ...flags, "--skipLibCheck", "false", ...more);
    assert.equal(await check("engine.ts"), "");
    assert.equal(await check("client.ts"), "");
    // A server's types name Node's; @types/node is this repository's own.
    const types = ["--typeRoots", resolve("node_modules/@types"), "--types", "node"];
    assert.equal(await check(...types, "server.ts"), "");
  }
});

test("esbuild bundles a server around it, and the client into a page", { timeout: 15 * MINUTE }, async (t) => {
  if (!(await install(t, "esbuild@0.28.2"))) return;
  await writeFile(join(project, "server.mjs"), SERVER);
  await writeFile(
    join(project, "page.mjs"),
    `import { MoloraClient } from "molora/client"; console.log(typeof MoloraClient);`,
  );
  const bundle = (...flags: string[]) =>
    succeed(project, "npx", "--no-install", "esbuild", "--bundle", "--format=esm", ...flags);
  await bundle("server.mjs", "--platform=node", "--external:molora", "--outfile=bundled/server.mjs");
  assert.match(await succeed(project, "node", "bundled/server.mjs"), /^200 3$/m);
  await bundle("page.mjs", "--platform=browser", "--outfile=bundled/page.mjs");
  assert.match(await succeed(project, "node", "bundled/page.mjs"), /^function$/m);
});

/** The package and `more` in the project; false, and the test skipped, where npm reaches nothing. */
async function install(t: TestContext, ...more: string[]): Promise<boolean> {
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  await writeFile(join(project, ".npmrc"), "engine-strict=true\n");
  // npm asks an unreachable registry for one dependency after another: at its own patience that takes many minutes
  const patience = ["--fetch-retries", "1", "--fetch-retry-mintimeout", "1000", "--fetch-timeout", String(MINUTE)];
  const tarball = join(project, packed.filename);
  const installed = await run(
    project,
    ...(["npm", "install", "--prefer-offline", "--no-audit", ...patience, tarball, ...more] as [string, ...string[]]),
  );
  if (installed.code === 0) return true;
  assert.match(installed.stderr, UNREACHABLE, installed.stderr);
  t.skip("npm reaches no registry and has no cache of the dependencies: the package was not installed");
  return false;
}

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

const ENGINE_ONLY = `
import { Engine, type LoadOptions } from "molora";
const options: LoadOptions = { model: "nano" };
const engine: Engine = await Engine.load(options);
for await (const event of engine.generate({ prompt: "Hello", logitBias: [{ id: 5, bias: 1 }] })) event.text satisfies string;
`;

const CLIENT_ONLY = `
import { MoloraClient } from "molora/client";
const client = await MoloraClient.connect("ws://localhost:8080/v1/stream");
for await (const event of client.generate({ prompt: "Hello" })) event.text satisfies string;
`;

const SERVER = `
import { Engine } from "molora";
import { serve } from "molora/server";
const engine = await Engine.load();
const server = await serve(engine);
const messages = [{ role: "user", content: "Hello" }];
const response = await fetch(server.baseUrl + "/chat/completions", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: "nano", messages, max_tokens: 3, response_format: { type: "json_object" } }),
});
console.log(response.status, (await response.json()).usage.completion_tokens);
await server.close();
await engine.close();
`;

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
