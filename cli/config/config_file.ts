// A command's flags from a TOML file: each key is a flag's name, and its value is checked by the flag's own declaration.
// What is typed on the command line takes the place of what the file says.

import { readFile } from "node:fs/promises";
import { parse, TomlError } from "smol-toml";
import { MoloraError } from "../../proto/errors.ts";
import { type Flag, type FlagKind, type FlagSpecs, kebab, readArguments } from "../flags/arguments.ts";
import { nearest } from "../flags/nearest.ts";

/** The texts that would have been typed, by the keys of the flags. */
export type GivenTexts = ReadonlyMap<string, string[]>;

export interface ConfigFile {
  settings: GivenTexts;
  /** What `[profiles.NAME]` says in the place of `settings`, by name. */
  profiles: ReadonlyMap<string, GivenTexts>;
}

/** The flags that a file may have, and those that a profile in it may. */
export interface FileSpecs {
  settings: FlagSpecs;
  profile?: FlagSpecs;
}

/** The table of profiles. */
const PROFILES = "profiles";

/**
 * The file that `--config` in `argv` names; undefined where none is named. `all`: every flag that `argv` may have.
 *
 * @throws MoloraError `bad_arguments` for a file that cannot be read, and whatever is wrong in it, by name.
 */
export async function readConfigFlag(
  argv: string[],
  all: FlagSpecs,
  specs: FileSpecs,
): Promise<ConfigFile | undefined> {
  const path = readArguments(argv, all, Number.POSITIVE_INFINITY).flags.config;
  if (typeof path !== "string") return undefined;
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new MoloraError("bad_arguments", `--config ${path} cannot be read: ${cause.message}`, { cause });
  });
  return readConfig(text, path, specs);
}

/** The same for the text of a file. @throws MoloraError `bad_arguments` */
export function readConfig(text: string, path: string, { settings, profile }: FileSpecs): ConfigFile {
  const { [PROFILES]: tables, ...own } = parseToml(text, path);
  const known = profile === undefined ? [] : [PROFILES];
  if (tables !== undefined && profile === undefined) throw unknownKey(path, PROFILES, namesOf(settings));
  return {
    settings: readTable(own, { path, prefix: "", specs: settings, known }),
    profiles: new Map(
      Object.entries(tableOf(tables ?? {}, path, PROFILES)).map(([name, table]) => {
        const prefix = `${PROFILES}.${name}.`;
        return [name, readTable(tableOf(table, path, `${PROFILES}.${name}`), { path, prefix, specs: profile ?? {} })];
      }),
    ),
  };
}

interface TablePlace {
  path: string;
  /** Before each key, in messages. */
  prefix: string;
  specs: FlagSpecs;
  /** Further names, for a guess at what was meant. */
  known?: readonly string[];
}

function readTable(table: Record<string, unknown>, { path, prefix, specs, known = [] }: TablePlace): GivenTexts {
  const keys = new Map(Object.keys(specs).map((key) => [kebab(key), key]));
  const given = new Map<string, string[]>();
  for (const [name, value] of Object.entries(table)) {
    const key = keys.get(name);
    if (key === undefined) throw unknownKey(path, prefix + name, [...keys.keys(), ...known]);
    given.set(key, checked(path, prefix + name, specs[key], value));
  }
  return given;
}

function tableOf(value: unknown, path: string, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
    return value as Record<string, unknown>;
  }
  throw new MoloraError("bad_arguments", `${path}: ${name} must be a table: [${name}]`, {
    remedy: "Write each profile as [profiles.NAME], and its settings below.",
    details: { file: path, key: name },
  });
}

function namesOf(specs: FlagSpecs): string[] {
  return Object.keys(specs).map(kebab);
}

function parseToml(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const reason = cause.message.split("\n")[0].replace(/^Invalid TOML document: /, "");
    throw new MoloraError("bad_arguments", `${path}:${cause.line}:${cause.column} is no TOML: ${reason}`, {
      remedy: "Run the command with --print-config for a file that is.",
      cause,
      details: { file: path, line: cause.line, column: cause.column },
    });
  }
}

function checked(path: string, name: string, spec: Flag<unknown>, value: unknown): string[] {
  try {
    const texts = TEXTS[spec.kind](value);
    spec.read(texts);
    return texts;
  } catch (cause) {
    const { message } = cause as Error;
    throw new MoloraError("bad_arguments", `${path}: ${name} ${message}`, {
      remedy: `It is the flag --${name.replace(/^.*\./, "")}: ${spec.summary}.`,
      details: { file: path, key: name },
    });
  }
}

/** What would have been typed for a value. */
const TEXTS: Readonly<Record<FlagKind, (value: unknown) => string[]>> = {
  toggle(value) {
    if (typeof value !== "boolean") throw new Error("must be true or false");
    return value ? [""] : [];
  },
  text: (value) => [string(value, "must be a text, in quotes")],
  number(value) {
    if (typeof value !== "number") throw new Error("must be a number, without quotes");
    return [String(value)];
  },
  list(value) {
    if (!Array.isArray(value)) throw new Error('must be a list of texts: ["…", "…"]');
    return value.map((item) => string(item, "must be a list of texts"));
  },
  paths(value) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) {
      throw new Error('must be a table of paths by name: { name = "PATH" }');
    }
    return Object.entries(value).map(([key, item]) => `${key}=${string(item, "must have paths, in quotes")}`);
  },
};

function string(value: unknown, otherwise: string): string {
  if (typeof value !== "string") throw new Error(otherwise);
  return value;
}

function unknownKey(path: string, name: string, names: string[]): MoloraError {
  const best = nearest(name.replace(/^.*\./, "").replaceAll("_", "-"), names);
  return new MoloraError("bad_arguments", `${path}: there is no setting ${JSON.stringify(name)}`, {
    remedy: best === undefined ? "The settings are the command's flags, see its --help." : `Did you mean ${best}?`,
    details: { file: path, key: name, ...(best === undefined ? {} : { nearest: best }) },
  });
}
