// `molora keys`: makes, lists and revokes the keys of a server. A running server takes a change over within a second.

import { MoloraError } from "../../proto/errors.ts";
import { changeKeys, readKeys } from "../../server/keys/key_file.ts";
import { type KeyLimits, type KeyRecord, newKey } from "../../server/keys/key_record.ts";
import { checkScope, EVERYTHING } from "../../server/keys/scopes.ts";
import { columns, defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { integer, list, text } from "../flags/flags.ts";
import { nearest } from "../flags/nearest.ts";
import type { Output } from "../terminal/output.ts";

const FLAGS = {
  keys: text("FILE", "The file of keys; serve takes the same flag", "molora-keys.json"),
  name: text("NAME", "create: whose key it is"),
  scope: list(
    "SCOPE",
    "create: base, adapter:NAME, mixture:NAME, profile:NAME, admin; NAME may end in * (default: all but admin)",
  ),
  requestsPerMinute: integer("N", "create: requests in a minute", { min: 1 }),
  tokensPerMinute: integer("N", "create: tokens of prompts and answers in a minute", { min: 1 }),
  concurrent: integer("N", "create: requests that are open at once", { min: 1 }),
  days: integer("N", "create: days until it expires (default: never)", { min: 1, max: 36_500 }),
};
type Flags = FlagValues<typeof FLAGS>;

const ACTIONS: Record<string, (flags: Flags, output: Output, operands: string[]) => Promise<void>> = {
  create,
  list: show,
  revoke,
};

export const command = defineCommand({
  name: "keys",
  summary: "Make, list and revoke the API keys of a server",
  details: `
  molora keys create --name alice --scope adapter:sql --scope "mixture:*" --requests-per-minute 60 --concurrent 4
  molora keys list
  molora keys revoke ID
  molora serve --keys molora-keys.json

A key is told once, when it is made; the file holds its hash. A server that runs takes changes over within a second.
`,
  flags: FLAGS,
  positionals: { placeholder: "create|list|revoke [ID]", most: 2 },
  async run({ flags, positionals: [action, ...operands], output }) {
    if (action !== undefined && Object.hasOwn(ACTIONS, action)) return ACTIONS[action](flags, output, operands);
    const best = nearest(action ?? "", Object.keys(ACTIONS));
    throw new MoloraError(
      "bad_arguments",
      action === undefined ? "what is to be done?" : `there is no keys ${action}`,
      {
        remedy: best === undefined ? "Say create, list or revoke." : `Did you mean molora keys ${best}?`,
      },
    );
  },
});

async function create(flags: Flags, output: Output, operands: string[]): Promise<void> {
  if (operands.length > 0) throw unexpected(operands[0]);
  if (flags.name === undefined || flags.name.trim() === "") {
    throw new MoloraError("bad_arguments", "a key needs --name NAME", { remedy: "Say whose it is." });
  }
  for (const scope of flags.scope) checkScope(scope);
  const now = new Date();
  const expires = flags.days === undefined ? {} : { expires: new Date(+now + flags.days * 86_400_000).toISOString() };
  const scopes = flags.scope.length === 0 ? [...EVERYTHING] : flags.scope;
  const { record, secret } = newKey({ name: flags.name, scopes, ...limits(flags), ...expires }, now);
  await changeKeys(flags.keys, (keys) => [...keys, record]);
  output.print(secret);
  output.note(`the key ${record.id} of ${record.name} is in ${flags.keys}, without the secret above: keep that now`);
  output.result({ ...shown(record), secret });
}

async function show(flags: Flags, output: Output, operands: string[]): Promise<void> {
  if (operands.length > 0) throw unexpected(operands[0]);
  const keys = await readKeys(flags.keys);
  const rows = keys.map((key): [string, string] => [
    `${key.id} ${key.name}`,
    [state(key), key.scopes.join(" "), ...amounts(key)].join("; "),
  ]);
  output.print(rows.length === 0 ? "no keys" : columns(rows));
  output.result({ keys: keys.map(shown) });
}

async function revoke(flags: Flags, output: Output, [id, ...more]: string[]): Promise<void> {
  if (id === undefined)
    throw new MoloraError("bad_arguments", "revoke which key?", { remedy: "See molora keys list." });
  if (more.length > 0) throw unexpected(more[0]);
  await changeKeys(flags.keys, (keys) => {
    const key = keys.find((candidate) => candidate.id === id);
    if (key === undefined) {
      throw new MoloraError("bad_arguments", `${flags.keys} has no key ${id}`, { remedy: "See molora keys list." });
    }
    return keys.map((each) => (each === key ? { ...each, revoked: each.revoked ?? new Date().toISOString() } : each));
  });
  output.print(`the key ${id} is revoked`);
  output.result({ id, revoked: true });
}

function unexpected(operand: string): MoloraError {
  return new MoloraError("bad_arguments", `unexpected argument: ${operand}`, { remedy: "Values belong to flags." });
}

function limits({ requestsPerMinute, tokensPerMinute, concurrent }: Flags): KeyLimits {
  return {
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
    ...(concurrent === undefined ? {} : { concurrent }),
  };
}

function state({ revoked, expires }: KeyRecord): string {
  if (revoked !== undefined) return `revoked ${revoked}`;
  if (expires === undefined) return "valid";
  return Date.parse(expires) <= Date.now() ? `expired ${expires}` : `valid until ${expires}`;
}

function amounts({ requestsPerMinute, tokensPerMinute, concurrent }: KeyLimits): string[] {
  const of = (count: number | undefined, what: string) => (count === undefined ? [] : [`${count} ${what}`]);
  return [
    ...of(requestsPerMinute, "requests a minute"),
    ...of(tokensPerMinute, "tokens a minute"),
    ...of(concurrent, "at once"),
  ];
}

/** Its hash is nobody's business. */
function shown({ hash: _, ...rest }: KeyRecord) {
  return rest;
}
