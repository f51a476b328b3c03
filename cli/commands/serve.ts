// `molora serve`: the engine on a port, until interrupted.

import type { Engine } from "../../node/index.ts";
import { serve, serveProfiles } from "../../server/http/serve.ts";
import { DEFAULT_LIMITS } from "../../server/limits.ts";
import { playground } from "../../server/playground/static.ts";
import { defineCommand } from "../command.ts";
import { readServeFlags, SERVE_FLAGS } from "../flags/serve_flags.ts";
import { fitSockets, mostOpenFiles } from "../open_files.ts";
import { chosenProfiles, openEngine, openEngines, PROFILE_FLAGS } from "../profiles.ts";
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
    const alone = chosen.size === 0 ? await openEngine(flags, output) : undefined;
    const engines = await openEngines(chosen, output);
    const all = alone === undefined ? [...engines.values()] : [alone];
    const { host, port, maxBodyBytes, maxUploadBytes, strict } = flags;
    const options = {
      ...{ routes: playground, host, port, maxBodyBytes, maxUploadBytes, strict, ...access, ...roots, log },
      ...(tls === undefined ? {} : { tls }),
      limits: { ...limits, maxSockets },
    };
    try {
      const server = await (alone === undefined
        ? serveProfiles(Object.fromEntries(engines), options)
        : serve(alone, options));
      const names = (loaded: { name: string }[]) => loaded.map(({ name }) => name).join(", ") || "none";
      const listed = (engine: Engine) =>
        `adapters: ${names(engine.listAdapters())}; mixtures: ${names(engine.listMixtures())}`;
      const what = alone === undefined ? [...engines.keys()].join(", ") : (flags.model ?? "nano");
      output.print(`serving ${what} at ${server.url}`);
      for (const engine of alone === undefined ? [] : [alone]) output.print(listed(engine));
      for (const [name, engine] of engines) output.print(`${name}: ${listed(engine)}`);
      output.print(`playground: ${playgroundUrl(server.url)}`);
      output.print("Ctrl-C ends it.");
      output.result({ url: server.url, port: server.port });
      const ended = Promise.race(all.map((engine) => engine.ended));
      await serveUntilEnd({ engine: { ended }, server, output, signal, drainMs, exitOnFailure });
    } finally {
      for (const engine of all) await engine.close();
    }
  },
});

function playgroundUrl(stream: string): string {
  const { host, protocol } = new URL(stream);
  return `${protocol === "wss:" ? "https" : "http"}://${host}/`;
}
