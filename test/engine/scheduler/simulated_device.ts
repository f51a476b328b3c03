// A device in miniature: pages that remember who wrote what, slots, and a sampler that is a function of id and position.
// It runs a plan as the real one does, in submission order, and fails when a slice reads what its sequence did not write.

import assert from "node:assert/strict";
import type { Residency } from "../../../engine/memory/residency.ts";
import type { Sequence } from "../../../engine/scheduler/sequence.ts";
import type { StepPlan } from "../../../engine/scheduler/step.ts";

export type Sampled = [sequence: Sequence, id: number];

/** Requests of one kind begin with the same tokens; each goes its own way from here on. */
const ALIKE = 6;

/** The token that follows `length` tokens of a request, whatever happened to it on the way. */
export function nextToken(id: string, length: number): number {
  const number = Number.parseInt(id.replace(/\D/g, ""), 10);
  return ((length < ALIKE ? number % 3 : number) * 7919 + length * 31) % 1000;
}

/** What a cell of KV holds once computed: the same for whoever computes it. */
function cellOf({ routePlan }: Sequence, position: number, token: number): string {
  return `${JSON.stringify(routePlan)}:${position}:${token}`;
}

export class SimulatedDevice {
  #residency: Residency;
  #pageTokens: number;
  /** A page's cells: "weights of <key>" all over, or a KV cell for each position. */
  #pages = new Map<number, string[]>();
  #slots = new Map<number, { id: string; next: number; sampled: number }>();

  constructor(residency: Residency, pageTokens: number) {
    this.#residency = residency;
    this.#pageTokens = pageTokens;
  }

  run(plan: StepPlan): Sampled[] {
    const resident = new Map(this.#residency.residents().map((each) => [each.key, each]));
    for (const { key, firstPage } of plan.uploads) {
      const pages = resident.get(key)?.pages ?? 0;
      for (let i = 0; i < pages; i++) {
        this.#pages.set(firstPage + i, new Array<string>(this.#pageTokens).fill(`weights of ${key}`));
      }
    }
    const sampled: Sampled[] = [];
    for (const { sequence, start, count, samples } of plan.slices) {
      const { id, tokens, slot } = sequence;
      for (const { key, pages } of sequence.residencyKeys) {
        const first = this.#residency.firstPage(key)!;
        for (let i = 0; i < pages; i++) assert.equal(this.#pages.get(first + i)?.[0], `weights of ${key}`);
      }
      const fresh = { id, next: sequence.adopted, sampled: -1 };
      const state = start === sequence.adopted ? fresh : this.#slots.get(slot)!;
      assert.deepEqual([state.id, state.next], [id, start], "the slot is this sequence's and goes on where it was");
      this.#slots.set(slot, state);
      const token = (position: number) => (position < tokens.length ? tokens[position] : state.sampled);
      for (let position = start; position < start + count; position++) {
        const page = sequence.pages[Math.floor(position / this.#pageTokens)];
        const cells = this.#pages.get(page) ?? [];
        cells[position % this.#pageTokens] = cellOf(sequence, position, token(position));
        this.#pages.set(page, cells);
      }
      state.next = start + count;
      for (let position = 0; position < state.next; position++) {
        const page = sequence.pages[Math.floor(position / this.#pageTokens)];
        const cell = this.#pages.get(page)?.[position % this.#pageTokens];
        assert.equal(cell, cellOf(sequence, position, tokens[position] ?? nextToken(id, position)));
      }
      if (!samples) continue;
      assert.equal(state.next, sequence.length, "a token is sampled from the last one only");
      state.sampled = nextToken(id, state.next);
      sampled.push([sequence, state.sampled]);
    }
    return sampled;
  }
}
