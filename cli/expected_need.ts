// What is likely to be asked for: how much each profile and adapter was used, noted from run to run. What an earlier run used counts half
// with each run behind it.

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Tokens that were generated with something, older ones counting less. */
type Needs = Record<string, number>;

interface Need {
  tokens: number;
  adapters: Needs;
}

/** What an engine tells of itself. */
interface Used {
  generatedTokens: number;
  adapters: readonly { name: string; tokens: number }[];
}

/** Names that are noted of one profile. */
const MOST_NOTED = 10_000;

export class ExpectedNeed {
  readonly #path: string;
  /** By profile, as earlier runs left it. */
  readonly #before: Readonly<Record<string, Need>>;
  /** By profile, of this run: what engines that are closed used, and what the open one did. */
  readonly #settled: Record<string, Need> = {};
  readonly #now: Record<string, Need> = {};

  private constructor(path: string, before: Record<string, Need>) {
    this.#path = path;
    this.#before = before;
  }

  /** Nothing is expected where nothing was noted, or what was noted cannot be read. */
  static async read(path: string): Promise<ExpectedNeed> {
    const noted: unknown = await readFile(path, "utf8")
      .then(JSON.parse)
      .catch(() => undefined);
    return new ExpectedNeed(path, needsOf(noted));
  }

  /** Adapters of a profile, the one most needed first. */
  adapters(profile: string): string[] {
    return inOrder(this.#of(profile).adapters);
  }

  /** How much a profile was needed. */
  profile(name: string): number {
    return this.#of(name).tokens;
  }

  /** An engine's counts since it was opened take the place of those it told before. `last`: it is about to be closed. */
  note(profile: string, { generatedTokens, adapters }: Used, last = false): void {
    const used = adapters.filter(({ tokens }) => tokens > 0).map(({ name, tokens }) => [name, tokens] as const);
    this.#now[profile] = { tokens: generatedTokens, adapters: Object.fromEntries(used) };
    if (!last) return;
    this.#settled[profile] = sum(this.#settled[profile] ?? NOTHING, this.#now[profile]);
    delete this.#now[profile];
  }

  /** Written beside its place and moved there: a process that is killed leaves the old one. @throws Error where it cannot be written */
  async save(): Promise<void> {
    const names = new Set([this.#before, this.#settled, this.#now].flatMap((needs) => Object.keys(needs)));
    const noted = Object.fromEntries([...names].map((name) => [name, this.#of(name)]));
    const part = `${this.#path}.${process.pid}.part`;
    await mkdir(dirname(this.#path), { recursive: true });
    await writeFile(part, JSON.stringify(noted));
    await rename(part, this.#path);
  }

  #of(profile: string): Need {
    const before = this.#before[profile] ?? NOTHING;
    const [settled, now] = [this.#settled[profile], this.#now[profile]];
    // Of a profile that this run did not open, nothing new is known.
    if (settled === undefined && now === undefined) return before;
    const { tokens, adapters } = sum(sum(before, NOTHING, 1 / 2), sum(settled ?? NOTHING, now ?? NOTHING));
    const most = inOrder(adapters)
      .filter((name) => adapters[name] >= 1)
      .slice(0, MOST_NOTED);
    return { tokens, adapters: Object.fromEntries(most.map((name) => [name, adapters[name]])) };
  }
}

const NOTHING: Need = { tokens: 0, adapters: {} };

/** `first` counts `weight`. */
function sum(first: Need, second: Need, weight = 1): Need {
  const adapters: Needs = {};
  for (const [name, tokens] of Object.entries(first.adapters)) adapters[name] = weight * tokens;
  for (const [name, tokens] of Object.entries(second.adapters)) adapters[name] = (adapters[name] ?? 0) + tokens;
  return { tokens: weight * first.tokens + second.tokens, adapters };
}

function inOrder(needs: Needs): string[] {
  return Object.keys(needs).sort((a, b) => needs[b] - needs[a]);
}

/** What of a file is as it was written. */
function needsOf(noted: unknown): Record<string, Need> {
  if (typeof noted !== "object" || noted === null) return {};
  const numbers = (value: unknown): Needs =>
    Object.fromEntries(
      Object.entries(typeof value === "object" && value !== null ? value : {}).filter(
        ([, need]) => typeof need === "number" && need > 0,
      ),
    );
  const entries = Object.entries(noted).map(([name, need]): [string, Need] => {
    const { tokens, adapters } = (need ?? {}) as Partial<Need>;
    return [name, { tokens: typeof tokens === "number" ? tokens : 0, adapters: numbers(adapters) }];
  });
  return Object.fromEntries(entries);
}
