// Typed command-line flags: reads argv with node:util's parseArgs and checks it against what a command declares.
// A mistake becomes `bad_arguments`, whose remedy names the nearest flag.

import { parseArgs } from "node:util";
import { MoloraError } from "../../proto/errors.ts";
import { nearest } from "./nearest.ts";

/** What a flag's value is, as a configuration file writes it (cli/config/config_file.ts). */
export type FlagKind = "toggle" | "text" | "number" | "list" | "paths";

/** One flag. */
export interface Flag<T> {
  kind: FlagKind;
  summary: string;
  /** The value's name in `--help`. A flag without one takes no value. */
  placeholder?: string;
  repeatable?: boolean;
  /** Its value is not shown again. */
  secret?: boolean;
  /**
   * Turns the texts that were given for the flag, in their order, into its value; the list is empty where none were.
   *
   * @throws Error whose message follows the flag's name: "must be …".
   */
  read(texts: string[]): T;
}

/** A command's flags by camelCase name: `maxTokens` is typed `--max-tokens`. */
export type FlagSpecs = Record<string, Flag<unknown>>;

export type FlagValues<S extends FlagSpecs> = { [K in keyof S]: S[K] extends Flag<infer T> ? T : never };

export interface ParsedArguments<S extends FlagSpecs> {
  flags: FlagValues<S>;
  positionals: string[];
}

/**
 * Reads `argv` (what follows the command's name) by `specs`. `configured`: the texts of flags that a file gives, by their
 * keys; a flag in `argv` takes their place.
 *
 * @throws MoloraError `bad_arguments` for an unknown flag, a missing, superfluous or wrong value, a flag given twice,
 * or more positionals than `maxPositionals`.
 */
export function readArguments<S extends FlagSpecs>(
  argv: string[],
  specs: S,
  maxPositionals = 0,
  configured: ReadonlyMap<string, string[]> = new Map(),
): ParsedArguments<S> {
  const names = new Map(Object.keys(specs).map((key) => [kebab(key), key]));
  const { tokens } = parseArgs({
    args: argv,
    options: Object.fromEntries([...names].map(([name, key]) => [name, { type: valueType(specs[key]) }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const key = names.get(token.name);
    if (key === undefined || !token.rawName.startsWith("--")) throw unknownFlag(token.rawName, [...names.keys()]);
    const texts = given.get(key) ?? [];
    given.set(key, texts);
    if (texts.length > 0 && specs[key].repeatable !== true) throw bad(token.name, "was given twice");
    texts.push(flagText(specs[key], token.name, token.value, token.inlineValue === true));
  }
  if (positionals.length > maxPositionals) {
    const extra = positionals[maxPositionals];
    throw new MoloraError("bad_arguments", `unexpected argument: ${extra}`, {
      remedy: "Values belong to flags; quote a text that has spaces.",
    });
  }
  const texts = new Map([...configured, ...given]);
  const flags = Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, readFlag(spec, key, texts)]));
  return { flags: flags as FlagValues<S>, positionals };
}

/** `maxTokens` → `max-tokens`. */
export function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function valueType(spec: Flag<unknown>): "string" | "boolean" {
  return spec.placeholder === undefined ? "boolean" : "string";
}

function flagText(spec: Flag<unknown>, name: string, value: string | undefined, inline: boolean): string {
  if (spec.placeholder === undefined) {
    if (inline) throw bad(name, "takes no value");
    return "";
  }
  // In `--adapter --json` a value was forgotten; `--temperature -1` and `--prompt=--json` have one
  if (value === undefined || (!inline && value.startsWith("--"))) throw bad(name, `needs a value: ${spec.placeholder}`);
  return value;
}

function readFlag(spec: Flag<unknown>, key: string, given: Map<string, string[]>): unknown {
  try {
    return spec.read(given.get(key) ?? []);
  } catch (error) {
    throw bad(kebab(key), error instanceof Error ? error.message : String(error));
  }
}

function bad(name: string, what: string): MoloraError {
  return new MoloraError("bad_arguments", `--${name} ${what}`, {
    remedy: "Run the command with --help for its flags.",
    details: { flag: `--${name}` },
  });
}

function unknownFlag(rawName: string, names: string[]): MoloraError {
  const best = nearest(rawName.replace(/^-+/, ""), names);
  return new MoloraError("bad_arguments", `unknown flag ${rawName}`, {
    remedy: best === undefined ? "Run the command with --help for its flags." : `Did you mean --${best}?`,
    details: { flag: rawName, ...(best === undefined ? {} : { nearest: `--${best}` }) },
  });
}
