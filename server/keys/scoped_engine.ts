// The engine as the holder of a key may see it: what its scopes name, as often as its limits allow.

import type { AgreementReport, GenerateOptions, GenerateRequest, GenerationEvent } from "../../proto/api.ts";
import { type HttpEngine, withMethods } from "../port.ts";
import type { Key } from "./keyring.ts";

export function scopedEngine(engine: HttpEngine, key: Key): HttpEngine {
  const adapters = <T extends { name: string }>(all: T[]) => all.filter(({ name }) => key.has(`adapter:${name}`));
  const mixtures = <T extends { name: string }>(all: T[]) => all.filter(({ name }) => key.has(`mixture:${name}`));
  const watched = <T extends Pick<AgreementReport, "kind" | "name" | "adapters">>(all: T[]) =>
    all.filter(({ kind, name, adapters: stack }) =>
      kind === "mixture" ? key.has(`mixture:${name}`) : stack.every((adapter) => key.has(`adapter:${adapter}`)),
    );
  return withMethods(engine, {
    generate: (request, options) => metered(engine, key, request, options),
    async promptIds(request) {
      key.checkValid();
      return engine.promptIds(request);
    },
    async findName(text) {
      key.checkValid();
      const name = engine.nameOf(text);
      return ["adapter", "mixture"].some((kind) => key.has(`${kind}:${name}`)) ? engine.findName(text) : undefined;
    },
    listNames: () => engine.listNames().filter(({ kind, name }) => key.has(`${kind}:${name}`)),
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
    for await (const event of engine.generate(request, { ...options, onAccepted })) {
      if (event.type === "token") tokens++;
      yield event;
    }
  } finally {
    leave(tokens);
  }
}
