// An engine as strangers see it: what it answers and why it refuses says nothing of where the server keeps its files.
// It knows nothing of HTTP and sockets; both get their engine through it.

import { isAbsolute } from "node:path";
import type { DoneEvent, Generation, GenerationEvent } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import type { HttpEngine } from "./port.ts";

/**
 * An absolute path of at least two names, of POSIX or Windows, as messages of errors have them. Not what follows a letter,
 * a dot, "#" or "/" ("application/json", "./x", "#/$defs/x", "http://host/x").
 */
const ABSOLUTE = /(?<![\w.#:/\\-])(?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])(?:[^\s/\\"'`<>|:;,]+[\\/])+([^\s/\\"'`<>|:;,]*)/g;

export function publicEngine(engine: HttpEngine): HttpEngine {
  return {
    generate: (request, options = {}) => {
      const { onAccepted } = options;
      const told =
        onAccepted === undefined
          ? options
          : {
              ...options,
              onAccepted: (accepted: Parameters<typeof onAccepted>[0]) =>
                onAccepted({ ...accepted, generations: named(accepted.generations) }),
            };
      return publicEvents(engine.generate(request, told));
    },
    tokenizer: engine.tokenizer,
    tokenizerOf: (routing) => engine.tokenizerOf(routing),
    contextLength: engine.contextLength,
    samplingDefaults: engine.samplingDefaults ?? {},
    capacity: engine.capacity,
    promptIds: (request) => engine.promptIds(request),
    get closed() {
      return engine.closed && withoutPaths(engine.closed);
    },
    listAdapters: () => engine.listAdapters(),
    loadAdapter: (name, path, options) => refusing(path, () => engine.loadAdapter(name, path, options)),
    unloadAdapter: (name) => engine.unloadAdapter(name),
    listMixtures: () => engine.listMixtures(),
    loadMixture: (name, path, options) => refusing(path, () => engine.loadMixture(name, path, options)),
    unloadMixture: (name) => engine.unloadMixture(name),
    findName: (text, signal) => refusing(text, () => engine.findName(text, signal)),
    nameOf: (text) => engine.nameOf(text),
    asked: (text) => {
      const { places, againMs } = engine.asked(text);
      return { places: places.map((place) => (isAbsolute(place) ? lastName(place) : place)), againMs };
    },
    nameReport: (name) => engine.nameReport(name),
    listNames: () => engine.listNames(),
    tiers: () => engine.tiers(),
    loadFiles: (name, files, options) => refusing(name, () => engine.loadFiles(name, files, options)),
    onAlert: (listener) => engine.onAlert?.(listener) ?? (() => {}),
    stats: () => {
      const stats = engine.stats();
      return { ...stats, model: lastName(stats.model) };
    },
  };
}

async function* publicEvents(events: AsyncIterable<GenerationEvent>): AsyncGenerator<GenerationEvent, void> {
  try {
    for await (const event of events) yield event.type === "done" ? publicDone(event) : event;
  } catch (thrown) {
    throw withoutPaths(MoloraError.from(thrown));
  }
}

function publicDone(done: DoneEvent): DoneEvent {
  return { ...done, generations: named(done.generations) };
}

function named(generations: readonly Generation[]): Generation[] {
  return generations.map((generation) => ({ ...generation, name: lastName(generation.name) }));
}

/** "nano.Q8_0.gguf" of "/srv/models/nano.Q8_0.gguf"; a name that is no path stays. */
function lastName(path: string): string {
  return path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;
}

async function refusing<T>(path: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (thrown) {
    throw withoutPaths(MoloraError.from(thrown), path);
  }
}

/** The same error, with files named from `folder` on, or by their last name. */
export function withoutPaths(error: MoloraError, folder?: string): MoloraError {
  const shown = (text: string) =>
    (folder === undefined ? text : text.replaceAll(folder, lastName(folder))).replace(ABSOLUTE, "$1");
  const { code, message, remedy, details } = error.toJSON();
  const clean = new MoloraError(code, shown(message), {
    ...(remedy === undefined ? {} : { remedy: shown(remedy) }),
    ...(details === undefined ? {} : { details: inside(details, shown) as Record<string, unknown> }),
    cause: error,
  });
  return clean;
}

function inside(value: unknown, shown: (text: string) => string): unknown {
  if (typeof value === "string") return shown(value);
  if (Array.isArray(value)) return value.map((item) => inside(item, shown));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inside(item, shown)]));
}
