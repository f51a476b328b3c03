// What the files of deploy/ say of molora is true: their settings are flags, their paths are routes, their ports agree.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { readConfig } from "../../cli/config/config_file.ts";
import { readArguments } from "../../cli/flags/arguments.ts";
import { SERVE_FLAGS } from "../../cli/flags/serve_flags.ts";
import { PROFILE_FLAGS } from "../../cli/profiles.ts";
import { closeEngine, serveNano } from "../server/http/http_server.ts";

after(closeEngine);

const SPECS = { ...PROFILE_FLAGS, ...SERVE_FLAGS };
const manifest = await readFile("deploy/kubernetes/molora.yaml", "utf8");

test("the settings in the ConfigMap are settings of serve, and their port is the container's", () => {
  const [, block] = /molora\.toml: \|\n((?: {4}.*\n)+)/.exec(manifest) ?? [];
  const toml = block.replace(/^ {4}/gm, "");
  const { flags } = readArguments([], SPECS, 0, readConfig(toml, "ConfigMap", { settings: SPECS }).settings);
  assert.ok(manifest.includes(`containerPort: ${flags.port} }`));
  const [, grace] = /terminationGracePeriodSeconds: (\d+)/.exec(manifest) ?? [];
  const [, pause] = /command: \[sleep, "(\d+)"\]/.exec(manifest) ?? [];
  assert.ok(Number(grace) > Number(pause) + flags.drainSeconds, "a pod has the time to drain");
});

test("probes ask for what is there", async (t) => {
  const { baseUrl } = await serveNano(t);
  const paths = [...manifest.matchAll(/httpGet: \{ path: (\S+),/g)].map(([, path]) => path);
  assert.ok(paths.length >= 2);
  for (const path of paths) assert.equal((await fetch(baseUrl.replace("/v1", path))).status, 200, path);
});

test("the flags in the Dockerfile and the unit are flags of serve", async () => {
  const docker = await readFile("deploy/docker/Dockerfile", "utf8");
  const words = (name: string): string[] =>
    JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, "m").exec(docker)?.[1] ?? "[]");
  const argv = [...words("ENTRYPOINT"), ...words("CMD")];
  assert.equal(argv[2], "serve");
  assert.equal(readArguments(argv.slice(3), SPECS).flags.host, "0.0.0.0");
  assert.ok(docker.includes(`EXPOSE ${readArguments([], SPECS).flags.port}\n`));
  const unit = await readFile("deploy/systemd/molora.service", "utf8");
  assert.match(unit, /^ExecStart=.* molora serve --config \/etc\/molora\/molora\.toml$/m);
});

test("systemd finds nothing wrong with the unit", (t) => {
  try {
    execFileSync("systemd-analyze", ["--version"], { stdio: "ignore" });
  } catch {
    return t.skip("there is no systemd-analyze here");
  }
  const said = execFileSync("systemd-analyze", ["verify", "deploy/systemd/molora.service"], { encoding: "utf8" });
  assert.equal(said, "");
});
