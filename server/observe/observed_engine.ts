// An engine whose requests are told to observers, as one caller asks for them.

import type { GenerateOptions, GenerateRequest, GenerationEvent } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Caller } from "../caller.ts";
import { type HttpEngine, withMethods } from "../port.ts";
import type { Act, Observer } from "./observer.ts";

export function observedEngine(engine: HttpEngine, observers: readonly Observer[], caller: Caller): HttpEngine {
  const told = async <T>(act: Act, work: Promise<T>): Promise<T> => {
    try {
      const result = await work;
      for (const observer of observers) observer.acted?.(act, caller);
      return result;
    } catch (thrown) {
      for (const observer of observers) observer.acted?.(act, caller, MoloraError.from(thrown));
      throw thrown;
    }
  };
  return withMethods(engine, {
    generate: (request, options) => observed(engine, observers, caller, request, options),
    loadAdapter: (name, path, options) => told({ what: "load_adapter", name }, engine.loadAdapter(name, path, options)),
    unloadAdapter: (name) => told({ what: "unload_adapter", name }, engine.unloadAdapter(name)),
    loadMixture: (name, path, options) => told({ what: "load_mixture", name }, engine.loadMixture(name, path, options)),
    loadFiles: (name, files, options) => {
      const isMixture = files.has("mixture.json") || files.has("recipe.json");
      const what = isMixture ? "load_mixture" : "load_adapter";
      return told({ what, name }, engine.loadFiles(name, files, options));
    },
    unloadMixture: (name) => told({ what: "unload_mixture", name }, engine.unloadMixture(name)),
  });
}

async function* observed(
  engine: HttpEngine,
  observers: readonly Observer[],
  caller: Caller,
  request: GenerateRequest,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationEvent, void> {
  const now = performance.now();
  const watching = observers.flatMap((observer) => observer.begin?.(request, caller, now) ?? []);
  let outcome = "cancelled";
  let error: MoloraError | undefined;
  const onAccepted: GenerateOptions["onAccepted"] = (accepted) => {
    for (const each of watching) each.accepted?.(accepted);
    options.onAccepted?.(accepted);
  };
  try {
    for await (const event of engine.generate(request, { ...options, onAccepted })) {
      const at = performance.now();
      if (event.type === "done") {
        outcome = event.finishReason;
        for (const each of watching) each.done?.(event, at);
      } else {
        for (const each of watching) each.token?.(event, at);
      }
      yield event;
    }
  } catch (thrown) {
    error = MoloraError.from(thrown);
    outcome = error.code;
    throw thrown;
  } finally {
    for (const each of watching) each.ended?.(outcome, performance.now(), error);
  }
}
