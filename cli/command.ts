// The shape of a command: its flags, its text for --help, and what it runs.

import { type FlagSpecs, type FlagValues, kebab } from "./flags/arguments.ts";
import type { Output } from "./terminal/output.ts";

/** What a command is given when it runs. */
export interface CommandContext<S extends FlagSpecs> {
  flags: FlagValues<S>;
  positionals: string[];
  /** The flags as each profile of a configuration file has them, by name. */
  profiles: ReadonlyMap<string, FlagValues<S>>;
  output: Output;
  /** Aborted by the first Ctrl-C, SIGTERM or SIGHUP once a command has looked at it; the second ends the process. */
  readonly signal: AbortSignal;
}

/** One command of the command line. Each is a file that exports it as `command`. */
export interface Command<S extends FlagSpecs = FlagSpecs> {
  name: string;
  /** One line, for the list of commands. */
  summary: string;
  /** Further lines for `--help`: examples, shapes. */
  details?: string;
  flags: S;
  /** It also takes its flags from a file: `--config FILE`, shown by `--print-config`. */
  configurable?: true;
  /** Of these flags, those that profiles of that file may set otherwise: `[profiles.NAME]`. */
  profiled?: FlagSpecs;
  /** Arguments that are no flags. A command without this takes none. */
  positionals?: { placeholder: string; most: number };
  /** @throws MoloraError to fail: `bad_arguments` makes the exit code 2, any other 1. */
  run(context: CommandContext<S>): Promise<void>;
}

/** Gives `run` the types of the flags declared beside it. */
export function defineCommand<S extends FlagSpecs>(command: Command<S>): Command<S> {
  return command;
}

/** The text of `--help`, from the declaration alone. */
export function helpText(command: Command, flags: FlagSpecs): string {
  const rows = Object.entries(flags).map(([key, flag]): [string, string] => {
    const value = flag.placeholder === undefined ? "" : ` ${flag.placeholder}`;
    return [`--${kebab(key)}${value}`, `${flag.summary}${flag.repeatable ? " (repeatable)" : ""}`];
  });
  const positionals = command.positionals === undefined ? "" : ` ${command.positionals.placeholder}`;
  const details = command.details === undefined ? "" : `\n${command.details.trim()}\n`;
  return `${command.summary}\n\nUsage: molora ${command.name}${positionals} [flags]\n\n${columns(rows)}\n${details}`;
}

/** Two aligned columns. Where the left side is long, the right one follows on the next line. */
export function columns(rows: [string, string][]): string {
  const widest = Math.min(30, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) =>
      left.length > widest ? `  ${left}\n  ${" ".repeat(widest)}  ${right}` : `  ${left.padEnd(widest)}  ${right}`,
    )
    .join("\n");
}
