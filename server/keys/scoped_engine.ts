// The engine as the holder of a key may see it: what its scopes name, as often as its limits allow.

import type { AgreementReport, GenerateOptions, GenerateRequest, GenerationEvent } from "../../proto/api.ts";
import { type HttpEngine, withMethods } from "../port.ts";
import type { Key } from "./keyring.ts";

/** `profile`: the engine's name where there are several. */
export function scopedEngine(engine: HttpEngine, key: Key, profile?: string): HttpEngine {
  const has = (what: string) => key.mayUse(profile) && key.has(what);
  const mayName = (text: string) => ["adapter", "mixture"].some((kind) => has(`${kind}:${engine.nameOf(text)}`));
  const adapters = <T extends { name: string }>(all: T[]) => all.filter(({ name }) => has(`adapter:${name}`));
  const mixtures = <T extends { name: string }>(all: T[]) => all.filter(({ name }) => has(`mixture:${name}`));
  const watched = <T extends Pick<AgreementReport, "kind" | "name" | "adapters">>(all: T[]) =>
    all.filter(({ kind, name, adapters: stack }) =>
      kind === "mixture" ? has(`mixture:${name}`) : stack.every((adapter) => has(`adapter:${adapter}`)),
    );
  return withMethods(engine, {
    async *generate(request, options) {
      key.checkProfile(profile);
      yield* metered(engine, key, request, options);
    },
    async promptIds(request) {
      key.checkProfile(profile);
      key.checkValid();
      return engine.promptIds(request);
    },
    async findName(text, signal) {
      key.checkValid();
      return mayName(text) ? engine.findName(text, signal) : undefined;
    },
    asked: (text) => (mayName(text) ? engine.asked(text) : { places: [], againMs: 0 }),
    ...loading(engine, () => key.checkProfile(profile)),
    nameReport(name) {
      const report = engine.nameReport(name);
      return report && has(`${report.kind}:${name}`) ? report : undefined;
    },
    listNames: () => engine.listNames().filter(({ kind, name }) => has(`${kind}:${name}`)),
    listAdapters: () => adapters(engine.listAdapters()),
    listMixtures: () => mixtures(engine.listMixtures()),
    stats() {
      const stats = engine.stats();
      return {
        ...stats,
        adapters: adapters(stats.adapters),
        mixtures: mixtures(stats.mixtures),
        ...(stats.agreement === undefined ? {} : { agreement: watched(stats.agreement) }),
        ...(stats.alerts === undefined ? {} : { alerts: watched(stats.alerts) }),
      };
    },
  });
}

/** What changes the engine, once `check` lets it. */
function loading(engine: HttpEngine, check: () => void): Partial<HttpEngine> {
  const checked =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    async (...args: A) => {
      check();
      return work(...args);
    };
  return {
    loadAdapter: checked((...args) => engine.loadAdapter(...args)),
    unloadAdapter: checked((name) => engine.unloadAdapter(name)),
    loadMixture: checked((...args) => engine.loadMixture(...args)),
    unloadMixture: checked((name) => engine.unloadMixture(name)),
    loadFiles: checked((...args) => engine.loadFiles(...args)),
  };
}

async function* metered(
  engine: HttpEngine,
  key: Key,
  request: GenerateRequest,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationEvent, void> {
  key.checkValid();
  key.checkRouting(request);
  const leave = key.allowance.enter();
  let tokens = 0;
  const onAccepted: GenerateOptions["onAccepted"] = (accepted) => {
    tokens += accepted.promptTokens;
    options.onAccepted?.(accepted);
  };
  try {
    for await (const event of engine.generate(request, { ...options, tenant: key.id, onAccepted })) {
      if (event.type === "token") tokens++;
      yield event;
    }
  } finally {
    leave(tokens);
  }
}
