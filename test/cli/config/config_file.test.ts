// A configuration file: every flag of `serve` can be in it, checked as the flag is, and `--print-config` writes one.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readConfig } from "../../../cli/config/config_file.ts";
import { configText } from "../../../cli/config/print_config.ts";
import { readArguments } from "../../../cli/flags/arguments.ts";
import { SERVE_FLAGS } from "../../../cli/flags/serve_flags.ts";
import { chosenProfiles, PROFILE_FLAGS } from "../../../cli/profiles.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { json, molora } from "../run.ts";

const SPECS = { ...PROFILE_FLAGS, ...SERVE_FLAGS };
const FILE = { settings: SPECS, profile: PROFILE_FLAGS };
const read = (toml: string, argv: string[] = []) =>
  readArguments(argv, SPECS, 0, readConfig(toml, "molora.toml", FILE).settings).flags;

test("values of every kind; what is typed takes a file's place", () => {
  const toml = `port = 9000\nadmin = true\nstrict = false\nallow-origin = ["http://a", "http://b"]\ndevice = "cpu"
stall-seconds = 1.5\n[adapter]\nsql = "adapters/sql"\n"team/math" = "m"`;
  const flags = read(toml, ["--port", "1", "--allow-origin", "http://c"]);
  assert.equal(flags.port, 1);
  assert.deepEqual([flags.admin, flags.strict, flags.device, flags.stallSeconds], [true, false, "cpu", 1.5]);
  assert.deepEqual(flags.allowOrigin, ["http://c"]);
  assert.deepEqual(flags.adapter, [
    { name: "sql", path: "adapters/sql" },
    { name: "team/math", path: "m" },
  ]);
  assert.equal(flags.maxQueue, 1024, "the rest has its defaults");
});

const WRONG: [toml: string, says: RegExp, remedy: RegExp][] = [
  ["prot = 8080", /molora\.toml: there is no setting "prot"/, /Did you mean port\?/],
  ["max_queue = 3", /no setting "max_queue"/, /Did you mean max-queue\?/],
  ["json = true", /no setting "json"/, /./],
  ["[serve]\nport = 1", /no setting "serve"/, /./],
  ['port = "8080"', /port must be a number, without quotes/, /--port: Port to listen on/],
  ["port = 70000", /port must be a whole number from 0 to 65535, not 70000/, /--port/],
  ["port = 1.5", /port must be a whole number/, /--port/],
  ["admin = 1", /admin must be true or false/, /--admin/],
  ['device = "tpu"', /device must be one of auto, gpu, cpu, not tpu/, /--device/],
  ["host = 127", /host must be a text, in quotes/, /--host/],
  ['allow-origin = "http://a"', /allow-origin must be a list of texts/, /--allow-origin/],
  ['adapter = "sql=x"', /adapter must be a table of paths by name/, /--adapter/],
  ["adapter = { sql = 1 }", /adapter must have paths/, /--adapter/],
  ['adapter = { "a b" = "x" }', /adapter has a name of other than letters/, /--adapter/],
  ["host = 1979-05-27", /host must be a text/, /--host/],
  ["port = 1\nport = 2", /molora\.toml:2:\d+ is no TOML/, /--print-config/],
  ["[profiles.a]\nport = 1", /no setting "profiles\.a\.port"/, /./],
  ["[profiles.a]\nmax-queu = 1", /no setting "profiles\.a\.max-queu"/, /Did you mean max-queue\?/],
  ["[profiles.a]\ncontext = 0", /profiles\.a\.context must be a whole number/, /--context/],
  ["profiles = 3", /profiles must be a table/, /\[profiles\.NAME\]/],
  ["profiles.a = 3", /profiles\.a must be a table: \[profiles\.a\]/, /\[profiles\.NAME\]/],
  ["profile = 3", /profile must be a list/, /--profile/],
  ["port = ", /molora\.toml:1:\d+ is no TOML/, /--print-config/],
];

for (const [toml, says, remedy] of WRONG) {
  test(`refused: ${JSON.stringify(toml)}`, () => {
    assert.throws(
      () => read(toml),
      (error) => {
        assert.ok(MoloraError.is(error));
        assert.equal(error.code, "bad_arguments");
        assert.match(error.message, says);
        assert.match(error.remedy ?? "", remedy);
        return true;
      },
    );
  });
}

test("what is printed is a file that comes to the same, every flag in it, secrets left out", () => {
  const argv = [
    "--port",
    "7",
    "--adapter",
    "a.b/c=/tmp/x y",
    "--mixture",
    "m=d",
    "--allow-origin",
    "http://a",
    "--admin",
  ];
  const flags = readArguments([...argv, "--token", "s3cret", "--model", 'odd "name"\n'], SPECS).flags;
  const text = configText("serve", SPECS, flags);
  assert.doesNotMatch(text, /s3cret/);
  const again = readArguments([], SPECS, 0, readConfig(text, "printed", FILE).settings).flags;
  assert.deepEqual(again, { ...flags, token: undefined });
  for (const key of Object.keys(SPECS)) {
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    assert.match(text, new RegExp(`^(# )?(${name} |\\[${name}\\])`, "m"), name);
  }
});

test("on the command line: --config and --print-config; a mistake is exit code 2 before anything is loaded", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-config-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "molora.toml");
  await writeFile(path, "port = 9001\nmax-sequences = 3\n");
  const shown = await molora(["serve", "--config", path, "--print-config", "--max-sequences", "4", "--json"]);
  assert.equal(shown.code, 0, shown.stderr);
  const { port, "max-sequences": most } = json<Record<string, unknown>>(shown);
  assert.deepEqual([port, most], [9001, 4]);
  await writeFile(path, "max-sequence = 3\n");
  const refused = await molora(["serve", "--config", path]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /there is no setting "max-sequence".*\n.*Did you mean max-sequences\?/);
  const missing = await molora(["serve", "--config", join(folder, "none.toml")]);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /--config .*none\.toml cannot be read: ENOENT/);
});

test("profiles: their own settings before the file's, what is typed before both; shown as they are written", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-config-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "molora.toml");
  await writeFile(
    path,
    `context = 512\n[profiles.legal]\nmax-queue = 7\n[profiles.legal.adapter]\nsql = "a"\n[profiles.medical]\ncontext = 256\n`,
  );
  const { settings, profiles } = readConfig(await readFile(path, "utf8"), path, FILE);
  assert.deepEqual([...settings], [["context", ["512"]]]);
  assert.deepEqual([...profiles.keys()], ["legal", "medical"]);
  const shown = await molora(["serve", "--config", path, "--print-config", "--max-queue", "9"]);
  assert.equal(shown.code, 0, shown.stderr);
  const again = readConfig(shown.stdout, "printed", FILE);
  assert.deepEqual(again.settings.get("maxQueue"), ["9"]);
  assert.deepEqual(again.profiles.get("medical")?.get("context"), ["256"]);
  assert.deepEqual(again.profiles.get("legal")?.get("adapter"), ["sql=a"]);
  assert.deepEqual(again.profiles.get("legal")?.get("maxQueue"), ["9"]);
  assert.deepEqual([...chosenProfiles(profiles, ["medical"]).keys()], ["medical"]);
  assert.throws(() => chosenProfiles(profiles, ["medcal"]), /there is no profile "medcal"/);
});
