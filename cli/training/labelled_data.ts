// `--data [domain=]FILE`: rows of files sorted by domain, for commands that train or judge routers.

import { existsSync } from "node:fs";
import { MoloraError } from "../../proto/errors.ts";
import type { Sources } from "../../training/data/sources.ts";
import { domainsOf, sortRow } from "../../training/data/sources.ts";
import { choice, list } from "../flags/flags.ts";
import type { Output } from "../terminal/output.ts";
import { readRows } from "./data_file.ts";

export const DATA_SHAPES = `
Data: one JSON object a line (.jsonl, .jsonl.gz), {"text"}, {"prompt", "completion"}, {"messages"} or {"segments"}, with a
"domain" on the row, message or segment that names its adapter. --data sql=FILE gives a whole file one; "base" is text that
no adapter should touch.`;

export const ON_BAD_ROW = choice(
  ["skip", "fail"],
  "What to do with a line that is no row, or has no known domain",
  "fail",
);

export function dataFlag(name: string) {
  return list("[domain=]FILE", `${name}; a domain in front of it labels the whole file`);
}

export interface DataOptions {
  /** Domains that may occur. Undefined: any may, and rows may have none. */
  domains?: readonly string[];
  onBadRow: "skip" | "fail";
}

/** Reads every file. Skipped lines are reported on stderr, the first few by number and the rest as a count. */
export async function readSources(specs: readonly string[], options: DataOptions, output: Output): Promise<Sources> {
  const sources: Sources = { byDomain: new Map(), whole: [] };
  const bad: MoloraError[] = [];
  const refuse = (error: MoloraError) => {
    if (options.onBadRow === "fail") throw error;
    bad.push(error);
  };
  for (const spec of specs) {
    const { domain, path } = parseSpec(spec);
    if (domain !== undefined) checkDomain(domain, spec, options.domains);
    for await (const row of readRows(path, refuse)) {
      const labelled = row.domain === undefined && domain !== undefined ? { ...row, domain } : row;
      const unknown = [...domainsOf(labelled)].find((name) => options.domains?.includes(name ?? "") === false);
      const unlabelled = domainsOf(labelled).has(undefined) && options.domains !== undefined;
      if (unlabelled) refuse(withoutDomain(row.where));
      else if (unknown !== undefined) refuse(unknownDomain(row.where, unknown, options.domains!));
      else sortRow(sources, labelled);
    }
  }
  reportBad(bad, output);
  return sources;
}

function parseSpec(spec: string): { domain: string | undefined; path: string } {
  const at = spec.indexOf("=");
  // The path itself may hold "="
  if (at < 1 || existsSync(spec)) return { domain: undefined, path: spec };
  return { domain: spec.slice(0, at), path: spec.slice(at + 1) };
}

function checkDomain(domain: string, spec: string, domains: readonly string[] | undefined): void {
  if (domains === undefined || domains.includes(domain)) return;
  throw new MoloraError("bad_arguments", `--data ${spec}: no adapter is named "${domain}"`, {
    remedy: `Domains are named like adapters: ${domains.join(", ")}.`,
    details: { domain, adapters: domains },
  });
}

function unknownDomain(where: string, domain: string, domains: readonly string[]): MoloraError {
  return new MoloraError("data_invalid", `${where}: no adapter is named "${domain}"`, {
    remedy: `Give --adapter ${domain}=PATH, or call it one of ${domains.join(", ")}. --on-bad-row skip leaves it out.`,
    details: { domain, adapters: domains },
  });
}

function withoutDomain(where: string): MoloraError {
  return new MoloraError("data_invalid", `${where} has no domain`, {
    remedy: 'Put "domain" on the row, or give the whole file one: --data domain=FILE. --on-bad-row skip leaves it out.',
  });
}

const SHOWN = 5;

function reportBad(bad: readonly MoloraError[], output: Output): void {
  for (const { message } of bad.slice(0, SHOWN)) output.note(`left out: ${message}`);
  if (bad.length > SHOWN) output.note(`left out: ${bad.length - SHOWN} more lines`);
}
