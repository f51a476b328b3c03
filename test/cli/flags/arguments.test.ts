// Flags: what is read, what is refused, and which flag a slip is taken for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { helpText } from "../../../cli/command.ts";
import { readArguments } from "../../../cli/flags/arguments.ts";
import { checkNames, EVERYWHERE, MODEL_FLAGS, parseUse, USE_FLAG } from "../../../cli/flags/common_flags.ts";
import { choice, integer, number, text } from "../../../cli/flags/flags.ts";
import { editDistance, nearest } from "../../../cli/flags/nearest.ts";
import { MoloraError } from "../../../proto/errors.ts";

const SPECS = {
  ...MODEL_FLAGS,
  ...USE_FLAG,
  ...EVERYWHERE,
  prompt: text("TEXT", "What to say"),
  maxTokens: integer("N", "Most tokens to generate", { min: 1, max: 4096 }, 64),
  temperature: number("T", "0 = greedy", { min: 0 }),
};

const read = (...argv: string[]) => readArguments(argv, SPECS).flags;

function refused(argv: string[], message: RegExp, remedy?: RegExp): void {
  assert.throws(
    () => readArguments(argv, SPECS),
    (error) => {
      assert.ok(error instanceof MoloraError);
      assert.equal(error.code, "bad_arguments");
      assert.match(error.message, message);
      if (remedy !== undefined) assert.match(error.remedy ?? "", remedy);
      return true;
    },
  );
}

test("values are typed, defaults stand, repeatable flags gather in order", () => {
  const flags = read(
    "--adapter",
    "math=a/b=c",
    "--adapter=sql=x",
    "--max-tokens",
    "8",
    "--use",
    "base",
    "--use",
    "math",
  );
  assert.deepEqual(flags.adapter, [
    { name: "math", path: "a/b=c" },
    { name: "sql", path: "x" },
  ]);
  assert.equal(flags.maxTokens, 8);
  assert.deepEqual(flags.use, ["base", "math"]);
  assert.equal(flags.dtype, "auto");
  assert.equal(flags.temperature, undefined);
  assert.equal(flags.json, false);
  assert.equal(read().maxTokens, 64);
});

test("an unknown flag names the nearest", () => {
  refused(["--max-token", "3"], /unknown flag --max-token$/, /--max-tokens\?/);
  refused(["--jsn"], /--jsn/, /--json\?/);
  refused(["--temprature=1"], /--temprature/, /--temperature\?/);
  refused(["--zzzzzzzzzzzz"], /--zzzz/, /--help/);
  refused(["-m", "x"], /unknown flag -m/);
});

test("missing, superfluous, wrong and repeated values are refused", () => {
  refused(["--prompt"], /--prompt needs a value: TEXT/);
  refused(["--prompt", "--json"], /--prompt needs a value/);
  refused(["--json=yes"], /--json takes no value/);
  refused(["--max-tokens", "0"], /whole number from 1 to 4096, not 0/);
  refused(["--max-tokens", "2.5"], /whole number/);
  refused(["--temperature", ""], /--temperature must be a number/);
  refused(["--temperature", "-1"], /at least 0/);
  refused(["--dtype", "f64"], /one of auto, f32, f16, q8_0, q4_0, not f64/);
  refused(["--prompt", "a", "--prompt", "b"], /--prompt was given twice/);
  refused(["stray"], /unexpected argument: stray/);
  refused(["--adapter", "path"], /must be name=PATH\|hf:REPO, not path/);
  refused(["--adapter", "a=x", "--adapter", "a=y"], /names a twice/);
  refused(["--adapter", "a b=x"], /letters, digits/);
});

test("a value may begin with dashes when it is written with =, and --prompt may be empty", () => {
  assert.equal(read("--prompt=--json").prompt, "--json");
  assert.equal(read("--prompt", "").prompt, "");
});

test("prototype names are no flags", () => {
  refused(["--constructor"], /unknown flag/);
  refused(["--__proto__=1"], /unknown flag/);
});

test("positionals are allowed where a command has them", () => {
  assert.deepEqual(readArguments(["a", "--json", "b"], SPECS, 2).positionals, ["a", "b"]);
});

test("help shows every flag, its value, its default and whether it repeats", () => {
  const command = { name: "generate", summary: "One prompt", flags: SPECS, run: async () => {} };
  const help = helpText(command, SPECS);
  for (const part of [
    "--max-tokens N",
    "(default: 64)",
    "--adapter name=PATH",
    "(repeatable)",
    "--json",
    "Usage: molora",
  ]) {
    assert.ok(help.includes(part), part);
  }
  assert.ok(choice(["x", "y"], "s", "y").summary.endsWith("(default: y)"));
});

test("a SPEC means base, an adapter, a stack or a mixture, and nothing else", () => {
  const known = { adapters: ["math", "sql"], mixtures: ["default"] };
  assert.deepEqual(parseUse("base", known), {});
  assert.deepEqual(parseUse("math", known), { adapter: "math" });
  assert.deepEqual(parseUse("default", known), { mixture: "default" });
  assert.deepEqual(parseUse("math=0.7,sql=-1", known), {
    adapters: [
      { id: "math", weight: 0.7 },
      { id: "sql", weight: -1 },
    ],
  });
  for (const spec of ["maths", "math=", "math=x", "math=1,", "default=1", "", "=1", "math=Infinity"]) {
    assert.throws(() => parseUse(spec, known), { code: "bad_arguments" }, spec);
  }
  assert.throws(
    () => parseUse("maths", known),
    (error) => error instanceof MoloraError && /math\?/.test(error.remedy ?? ""),
  );
});

test("names of adapters and mixtures must not clash", () => {
  const named = (...names: string[]) => names.map((name) => ({ name, path: "x" }));
  checkNames(named("a", "b"), named("c"));
  assert.throws(() => checkNames(named("a"), named("a")), { code: "bad_arguments" });
  assert.throws(() => checkNames(named("base"), []), { code: "bad_arguments" });
});

test("edit distance and the nearest name", () => {
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(nearest("temp", ["temperature", "top-p"]), "temperature");
  assert.equal(nearest("xyz", ["generate"]), undefined);
});
