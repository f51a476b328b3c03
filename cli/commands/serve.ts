// `molora serve`: the engine on a port, until interrupted.

import type { Engine } from "../../node/index.ts";
import { baseName, stemOf } from "../../server/http/models.ts";
import { type LazyEngine, serveProfiles } from "../../server/http/serve.ts";
import { DEFAULT_LIMITS } from "../../server/limits.ts";
import { playground } from "../../server/playground/static.ts";
import { defineCommand } from "../command.ts";
import { readServeFlags, SERVE_FLAGS } from "../flags/serve_flags.ts";
import { fitSockets, mostOpenFiles } from "../open_files.ts";
import { Preload } from "../preload.ts";
import { chosenProfiles, PROFILE_FLAGS, type ProfileFlags } from "../profiles.ts";
import { ServedEngines } from "../served_engines.ts";
import { serveUntilEnd } from "../serving.ts";

export const command = defineCommand({
  name: "serve",
  summary: "Serve over WebSocket and HTTP until interrupted",
  details: `
  molora serve --port 8080
  molora serve --model llama.gguf --adapter math=PATH --mixture default=DIR
  molora serve --adapters DIR --source s3://bucket/adapters --host-cache-bytes 4294967296

Clients connect to ws://HOST:PORT/v1/stream and offer one of the subprotocols molora.v1.proto, molora.v1.msgpack and
molora.v1.json; OpenAI's clients use http://HOST:PORT/v1, people the playground at http://HOST:PORT/. Loading and
unloading over the wire needs --admin or a token, and a root to load from.
On SIGTERM, SIGHUP or Ctrl-C no more requests are taken: /ready and /health say 503, running requests have --drain-seconds
to end, and what is left ends with engine_closed. When the engine itself fails, the process ends with exit code 1.
Every flag can stand in a file: --config FILE.toml; --print-config writes one. A file may have profiles, [profiles.NAME] with
settings of their own: each is an engine with a name of its own as a model, and those of one base share its weights. Keys with scopes and limits: molora keys.
With --json, {"url", "port"} is printed once the port is open.
`,
  flags: { ...PROFILE_FLAGS, ...SERVE_FLAGS },
  configurable: true,
  profiled: PROFILE_FLAGS,
  async run({ flags, profiles, output, signal }) {
    const { access, tls, log, roots, limits, drainMs, exitOnFailure } = await readServeFlags(flags);
    const { maxSockets, warning } = fitSockets(await mostOpenFiles(), flags.maxSockets, DEFAULT_LIMITS.maxSockets);
    if (warning !== undefined) output.note(`warning: ${warning}`);
    const chosen = chosenProfiles(profiles, flags.profile);
    const isOne = chosen.size === 0;
    const model = flags.model ?? "nano";
    const served = isOne ? new Map([[stemOf(model), flags]]) : chosen;
    const engines = new ServedEngines(output);
    const all = await engines.openAll(served);
    const preload = await Preload.start({ profiles: served, open: engines.open, output });
    const { host, port, maxBodyBytes, maxUploadBytes, strict } = flags;
    const options = {
      ...{ routes: playground, host, port, maxBodyBytes, maxUploadBytes, strict, ...access, ...roots, log },
      ...(tls === undefined ? {} : { tls }),
      limits: { ...limits, maxSockets },
    };
    try {
      const server = await serveProfiles(isOne ? underBaseName(all) : all, options);
      engines.release = server.release;
      engines.onClose = (name, engine) => preload?.last(name, engine);
      output.print(`serving ${isOne ? model : [...served.keys()].join(", ")} at ${server.url}`);
      for (const name of served.keys()) {
        const engine = engines.open.get(name);
        const what = engine === undefined ? "opened when somebody asks for it" : listed(engine);
        output.print(isOne ? what : `${name}: ${what}`);
      }
      for (const place of placesOf(served)) output.print(`more by name, read when somebody asks for them: ${place}`);
      output.print(`playground: ${playgroundUrl(server.url)}`);
      output.print("Ctrl-C ends it.");
      output.result({ url: server.url, port: server.port });
      void preload?.begin(server.open);
      engines.onOpen = (name, engine) => void preload?.adapters(name, engine);
      await serveUntilEnd({ engine: engines, server, output, signal, drainMs, exitOnFailure });
    } finally {
      await preload?.close();
      await engines.closeAll();
    }
  },
});

/** One that has no profile's name goes by its base's: what `smollm2` stands for, once that is open. */
function underBaseName(all: Record<string, Engine | LazyEngine>): Record<string, Engine | LazyEngine> {
  return Object.fromEntries(
    Object.entries(all).map(([stem, engine]) => ["open" in engine ? stem : baseName(engine, undefined), engine]),
  );
}

const names = (loaded: { name: string }[]) => loaded.map(({ name }) => name).join(", ") || "none";

function listed(engine: Engine): string {
  return `adapters: ${names(engine.listAdapters())}; mixtures: ${names(engine.listMixtures())}`;
}

/** Where names come from that nobody has loaded. */
function placesOf(served: ReadonlyMap<string, ProfileFlags>): string[] {
  return [...new Set([...served.values()].flatMap(({ adapters, source }) => [...adapters, ...source]))];
}

function playgroundUrl(stream: string): string {
  const { host, protocol } = new URL(stream);
  return `${protocol === "wss:" ? "https" : "http"}://${host}/`;
}
