// The command line: finds the command, reads its flags, runs it and turns an error into an exit code.
// A new command is a file in cli/commands/ and a row in COMMANDS.

import { readFile } from "node:fs/promises";
import { MoloraError } from "../proto/errors.ts";
import { type Command, columns, helpText } from "./command.ts";
import { readConfigFlag } from "./config/config_file.ts";
import { CONFIG_FLAGS, configText, profilesText, shownFlags } from "./config/print_config.ts";
import { readArguments } from "./flags/arguments.ts";
import { EVERYWHERE } from "./flags/common_flags.ts";
import { nearest } from "./flags/nearest.ts";
import { interruptSignal } from "./terminal/interrupt.ts";
import { Output } from "./terminal/output.ts";
import { writeFailure } from "./terminal/write_failure.ts";

/** In the order of `molora --help`. A command is loaded when it is called, since `doctor` needs no engine. */
const COMMANDS: Record<string, () => Promise<{ command: Command }>> = {
  doctor: () => import("./commands/doctor.ts"),
  demo: () => import("./commands/demo.ts"),
  generate: () => import("./commands/generate.ts"),
  chat: () => import("./commands/chat.ts"),
  serve: () => import("./commands/serve.ts"),
  keys: () => import("./commands/keys.ts"),
  score: () => import("./commands/score.ts"),
  pull: () => import("./commands/pull.ts"),
  inspect: () => import("./commands/inspect.ts"),
  bench: () => import("./commands/bench.ts"),
  "train-adapter": () => import("./commands/train_adapter.ts"),
  "train-router": () => import("./commands/train_router.ts"),
  "make-router": () => import("./commands/make_router.ts"),
  merge: () => import("./commands/merge.ts"),
  recipe: () => import("./commands/recipe.ts"),
  compress: () => import("./commands/compress.ts"),
  eval: () => import("./commands/eval.ts"),
  diagnose: () => import("./commands/diagnose.ts"),
};

/** 0: done. 1: failed. 2: the arguments are wrong. */
export type ExitCode = 0 | 1 | 2;

/** Runs the command in `argv`, the arguments behind `molora`. */
export async function main(argv: string[]): Promise<ExitCode> {
  // Looked for before parsing, so that an error in the arguments is printed in the right form too
  const output = new Output(argv.includes("--json"));
  try {
    const [name, ...rest] = argv;
    if (name === "--version" || name === "-v") output.write(`${await version()}\n`);
    else if (name === undefined || name === "--help" || name === "-h") output.write(await overview());
    else await runCommand(name, rest, output);
    await output.flush();
    return 0;
  } catch (thrown) {
    const error = MoloraError.is(thrown) ? thrown : (writeFailure(thrown) ?? MoloraError.from(thrown));
    output.fail(error);
    await saidOnStderr(output, error);
    return error.code === "bad_arguments" ? 2 : 1;
  }
}

/** Where the error itself could not be written on stdout, it is said on stderr, and why. */
async function saidOnStderr(output: Output, error: MoloraError): Promise<void> {
  try {
    await output.flush();
  } catch (lost) {
    if (lost === error) return;
    if (output.json) output.fail(error);
    output.fail(MoloraError.from(lost));
  }
}

async function runCommand(name: string, argv: string[], output: Output): Promise<void> {
  const command = await findCommand(name);
  const specs = { ...command.flags, ...(command.configurable ? CONFIG_FLAGS : {}), ...EVERYWHERE };
  if (argv.includes("--help") || argv.includes("-h")) {
    output.streams.stdout.write(helpText(command, specs)); // also in JSON mode
    return;
  }
  const fileSpecs = { settings: command.flags, ...(command.profiled && { profile: command.profiled }) };
  const file = command.configurable ? await readConfigFlag(argv, specs, fileSpecs) : undefined;
  const most = command.positionals?.most;
  const { flags, positionals } = readArguments(argv, specs, most, file?.settings);
  const profiles = new Map(
    [...(file?.profiles ?? [])].map(([name, own]) => {
      const texts = new Map([...(file?.settings ?? []), ...own]);
      return [name, readArguments(argv, specs, most, texts).flags];
    }),
  );
  if (flags.printConfig === true) {
    output.write(configText(command.name, command.flags, flags));
    output.write(profilesText(command.flags, file?.profiles ?? new Map(), profiles));
    output.result(shownFlags(command.flags, flags));
    return;
  }
  await command.run({
    flags,
    positionals,
    profiles,
    output,
    get signal() {
      return interruptSignal();
    },
  });
}

async function findCommand(name: string): Promise<Command> {
  if (Object.hasOwn(COMMANDS, name)) return (await COMMANDS[name]()).command;
  const best = nearest(name, Object.keys(COMMANDS));
  throw new MoloraError("bad_arguments", `unknown command ${name}`, {
    remedy: best === undefined ? "Run molora --help for the commands." : `Did you mean molora ${best}?`,
    details: { command: name, ...(best === undefined ? {} : { nearest: best }) },
  });
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map(async (load) => (await load()).command));
  const rows = commands.map(({ name, summary }): [string, string] => [name, summary]);
  return `molora: Mixture-of-LoRA inference on WebGPU

Usage: molora COMMAND [flags]

${columns(rows)}

Every command has --help, and --json for machines.
Exit code: 0 done, 1 failed, 2 wrong arguments.
`;
}

async function version(): Promise<string> {
  // From dist/cli/ up to the package
  const manifest: { version: string } = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}
