// An engine that may not be open, as a connection sees it: whatever it is asked to do opens it first and keeps it open; what it lists
// while it is not is nothing.

import type { EnginePort } from "./port.ts";

/** The engine once it is open, for as long as one request takes. */
export interface Woken {
  port: EnginePort;
  release(): void;
}

/** `current`: the engine while it is open. */
export function sleepingPort(
  base: string,
  wake: () => Promise<Woken>,
  current: () => EnginePort | undefined,
): EnginePort {
  const awake = async <T>(work: (port: EnginePort) => Promise<T>): Promise<T> => {
    const { port, release } = await wake();
    try {
      return await work(port);
    } finally {
      release();
    }
  };
  return {
    async *generate(request, options) {
      const { port, release } = await wake();
      try {
        yield* port.generate(request, options);
      } finally {
        release();
      }
    },
    listAdapters: () => current()?.listAdapters() ?? [],
    listMixtures: () => current()?.listMixtures() ?? [],
    loadAdapter: (...args) => awake((port) => port.loadAdapter(...args)),
    unloadAdapter: (name) => awake((port) => port.unloadAdapter(name)),
    loadMixture: (...args) => awake((port) => port.loadMixture(...args)),
    unloadMixture: (name) => awake((port) => port.unloadMixture(name)),
    loadFiles: (...args) => awake((port) => port.loadFiles(...args)),
    stats: () => current()?.stats() ?? { model: base, ...NOTHING, adapters: [], mixtures: [] },
  };
}

const NOTHING = {
  running: 0,
  waiting: 0,
  steps: 0,
  promptTokens: 0,
  generatedTokens: 0,
  preemptions: 0,
  pagesTotal: 0,
  pagesFree: 0,
  evictions: 0,
};
