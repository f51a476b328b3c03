// What a command's flags and its file come to, written as such a file.

import { stringify } from "smol-toml";
import { type FlagSpecs, kebab } from "../flags/arguments.ts";
import { type NamedPath, text, toggle } from "../flags/flags.ts";
import type { GivenTexts } from "./config_file.ts";

/** The flags of a command that can be configured by a file. */
export const CONFIG_FLAGS = {
  config: text("FILE.toml", "Take these flags from a file, by their names; what is typed goes before it"),
  printConfig: toggle("Print all settings as such a file, and end"),
};

type Values = Readonly<Record<string, unknown>>;

/** Each setting under its summary; those without a value and secrets are commented out. */
export function configText(command: string, specs: FlagSpecs, values: Values): string {
  const settings: string[] = [];
  const tables: string[] = [];
  for (const [key, { kind, secret, summary }] of Object.entries(specs)) {
    const name = kebab(key);
    const value = values[key];
    // A table takes all that follows, so tables stand last.
    if (kind === "paths") tables.push(`# ${summary}\n${stringify({ [name]: byName(value as NamedPath[]) })}`);
    else if (value === undefined) settings.push(`# ${summary}\n# ${name} =\n`);
    else if (secret) settings.push(`# ${summary}\n# ${name} is set, and not shown\n`);
    else settings.push(`# ${summary}\n${stringify({ [name]: value })}`);
  }
  return [`# molora ${command} --config FILE\n`, ...settings, ...tables]
    .map((part) => `${part.trimEnd()}\n`)
    .join("\n");
}

/** Tables of the profiles: of each what it sets itself. */
export function profilesText(
  specs: FlagSpecs,
  own: ReadonlyMap<string, GivenTexts>,
  values: ReadonlyMap<string, Values>,
): string {
  const tables = [...own].map(([name, given]) => {
    const keys = [...given.keys()].filter((key) => specs[key].secret !== true);
    const settings = keys.map((key) => {
      const value = values.get(name)?.[key];
      return [kebab(key), specs[key].kind === "paths" ? byName(value as NamedPath[]) : value];
    });
    return `\n${stringify({ profiles: { [name]: Object.fromEntries(settings) } })}`;
  });
  return tables.join("");
}

/** The same for `--json`: undefined and secret values left out. */
export function shownFlags(specs: FlagSpecs, values: Values): Record<string, unknown> {
  const shown = Object.keys(specs).filter((key) => specs[key].secret !== true);
  return Object.fromEntries(shown.map((key) => [kebab(key), values[key]]));
}

function byName(pairs: readonly NamedPath[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ name, path }) => [name, path]));
}
