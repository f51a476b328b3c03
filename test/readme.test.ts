// Runs the README's examples as they are printed. Commands that set a machine up are only known by name here.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

/** They run in CI, not in a test of their own. */
const SETUP = ["npm run demo", "npm test"];

interface Example {
  language: string;
  code: string;
}

const readme = await readFile("README.md", "utf8");
const examples = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ([, language, code]): Example => ({ language, code }),
);
const commands = examples
  .filter(({ language }) => language === "sh")
  .flatMap(({ code }) => code.trim().split("\n"))
  .filter((command) => !SETUP.includes(command));
const isServer = (command: string) => command.startsWith("npx molora serve");

test("every language of the README's examples is one that runs here", () => {
  assert.deepEqual([...new Set(examples.map(({ language }) => language))].sort(), ["js", "json", "sh"]);
  assert.ok(commands.length > 4);
});

for (const command of commands.filter((command) => !isServer(command))) {
  test(command, async () => {
    const { stdout } = await promisify(execFile)("bash", ["-c", command]);
    assert.ok(stdout.length > 40, stdout);
  });
}

test("serve, and the client beside it", async () => {
  const server = shell(commands.find(isServer)!);
  try {
    await saidOn(server, /serving nano at ws:\/\/127\.0\.0\.1:8080/);
    assert.match(
      await runScript("molora/client"),
      /^SELECT .*\n stop \{ promptTokens: \d+, completionTokens: \d+ \}\n$/s,
    );
  } finally {
    // The whole group: npx stands between
    process.kill(-server.pid!, "SIGTERM");
    await once(server, "close");
  }
});

test("embed", async () => {
  assert.match(await runScript(`from "molora"`), /symptoms/);
});

test("the mixture is one that is read", async () => {
  const { code } = examples.find(({ language }) => language === "json")!;
  const mixture = JSON.parse(code);
  assert.equal(mixture.format, "molora-mixture/1");
  const folder = await mkdtemp("dist/readme-mixture-");
  try {
    // As printed, but for nano's sizes and places
    mixture.base_model = { architecture: "LlamaForCausalLM", hidden_size: 256, num_hidden_layers: 8 };
    for (const expert of mixture.experts)
      if (expert.adapter) expert.adapter = `../../models/nano/adapters/${expert.name}`;
    await writeFile(join(folder, "mixture.json"), JSON.stringify(mixture));
    const args = ["--prompt", "Add 2 and 3.", "--max-tokens", "4", "--mixture", `mine=${folder}`, "--use", "mine"];
    const { stdout } = await promisify(execFile)(process.execPath, ["bin/molora.mjs", "generate", ...args, "--json"]);
    assert.equal(JSON.parse(stdout).ids.length, 4);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** The script that has `mark`, run from inside the package as its text says. */
async function runScript(mark: string): Promise<string> {
  const { code } = examples.find((example) => example.language === "js" && example.code.includes(mark))!;
  const folder = await mkdtemp("dist/readme-script-");
  try {
    const path = join(folder, "ask.mjs");
    await writeFile(path, code);
    return (await promisify(execFile)(process.execPath, [path])).stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function shell(command: string): ChildProcess {
  return spawn("bash", ["-c", command], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
}

async function saidOn(child: ChildProcess, pattern: RegExp): Promise<void> {
  let said = "";
  for await (const chunk of child.stdout!.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    said += chunk;
    if (pattern.test(said)) return;
  }
  assert.fail(`the server said only: ${said}`);
}
