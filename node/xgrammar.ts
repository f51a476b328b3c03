// XGrammar as a fresh instance: its package is a script of the CommonJS age that calls itself an ES module, so that
// neither import nor require gets at its exports.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";
import type { GrammarInstance, GrammarLibrary } from "../engine/sampling/grammar.ts";

/**
 * Instances share nothing: one that aborted is dropped with all its memory. The script sees no `process`, or it would
 * ask for Node's modules (its WebAssembly lies within the script); its console keeps what it logs in `said`.
 */
export async function openXGrammar(): Promise<GrammarInstance> {
  const url = import.meta.resolve("@mlc-ai/web-xgrammar");
  const filename = fileURLToPath(url);
  const said: string[] = [];
  const say = (...words: unknown[]) => said.push(words.join(" "));
  const exports = {} as GrammarLibrary;
  const given = {
    exports,
    module: { exports },
    process: undefined,
    location: { href: url },
    console: { log: say, warn: say, error: say },
  };
  compileFunction(readFileSync(filename, "utf8"), Object.keys(given), { filename })(...Object.values(given));
  return { library: exports, said };
}
