// What was tried and how it ended, by kind, as a table.

/** Right: the text it gives alone. Meant: cut, cancelled or refused, as it had to be. Wrong and lost must not be. */
export type Ending = "right" | "meant" | "wrong" | "lost";

const ENDINGS: readonly Ending[] = ["right", "meant", "wrong", "lost"];

export class Tally {
  readonly #counts = new Map<string, Record<Ending, number>>();
  /** The first of what was wrong or lost, in words. */
  readonly failures: string[] = [];

  add(kind: string, ending: Ending, why = ""): void {
    const counts = this.#counts.get(kind) ?? { right: 0, meant: 0, wrong: 0, lost: 0 };
    counts[ending]++;
    this.#counts.set(kind, counts);
    if ((ending === "wrong" || ending === "lost") && this.failures.length < 20) this.failures.push(`${kind}: ${why}`);
  }

  total(ending: Ending): number {
    return [...this.#counts.values()].reduce((sum, counts) => sum + counts[ending], 0);
  }

  get tried(): number {
    return ENDINGS.reduce((sum, ending) => sum + this.total(ending), 0);
  }

  toJSON(): Record<string, Record<Ending, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a.localeCompare(b)));
  }

  /** Markdown. */
  table(): string {
    const rows = Object.entries(this.toJSON()).map(([kind, counts]) => row(kind, counts));
    const sums = {
      right: this.total("right"),
      meant: this.total("meant"),
      wrong: this.total("wrong"),
      lost: this.total("lost"),
    };
    return [
      "| what | tried | right | ended as meant | wrong | lost |",
      "|---|---|---|---|---|---|",
      ...rows,
      row("all", sums),
    ].join("\n");
  }
}

function row(kind: string, counts: Record<Ending, number>): string {
  const tried = ENDINGS.reduce((sum, ending) => sum + counts[ending], 0);
  return `| ${[kind, tried, ...ENDINGS.map((ending) => counts[ending])].join(" | ")} |`;
}
