// `molora serve`: the engine on a port, until interrupted.

import { serve } from "../../server/http/serve.ts";
import { DEFAULT_LIMITS } from "../../server/limits.ts";
import { playground } from "../../server/playground/static.ts";
import { defineCommand } from "../command.ts";
import { readServeFlags, SERVE_FLAGS } from "../flags/serve_flags.ts";
import { SOURCE_FLAGS, sourceOptions } from "../flags/source_flags.ts";
import { LOAD_FLAGS, loadEngine, TEMPLATE_FLAGS, templateOptions } from "../load.ts";
import { fitSockets, mostOpenFiles } from "../open_files.ts";
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
Every flag can stand in a file: --config FILE.toml; --print-config writes one. Keys with scopes and limits: molora keys.
With --json, {"url", "port"} is printed once the port is open.
`,
  flags: { ...LOAD_FLAGS, ...TEMPLATE_FLAGS, ...SOURCE_FLAGS, ...SERVE_FLAGS },
  configurable: true,
  async run({ flags, output, signal }) {
    const { access, tls, log, roots, limits, drainMs, exitOnFailure } = await readServeFlags(flags);
    const { maxSockets, warning } = fitSockets(await mostOpenFiles(), flags.maxSockets, DEFAULT_LIMITS.maxSockets);
    if (warning !== undefined) output.note(`warning: ${warning}`);
    const { maxSequences, maxQueue, noPrefixCache, host, port, maxBodyBytes } = flags;
    const engine = await loadEngine(flags, output, {
      ...templateOptions(flags),
      ...sourceOptions(flags, (problem) => output.note(`warning: ${problem}`)),
      maxSequences,
      maxQueue,
      prefixCache: !noPrefixCache,
    });
    try {
      const server = await serve(engine, {
        routes: playground,
        host,
        port,
        maxBodyBytes,
        strict: flags.strict,
        ...access,
        ...roots,
        ...(tls === undefined ? {} : { tls }),
        log,
        limits: { ...limits, maxSockets },
      });
      const names = (loaded: { name: string }[]) => loaded.map(({ name }) => name).join(", ") || "none";
      output.print(`serving ${flags.model ?? "nano"} at ${server.url}`);
      output.print(`adapters: ${names(engine.listAdapters())}; mixtures: ${names(engine.listMixtures())}`);
      output.print(`playground: ${playgroundUrl(server.url)}`);
      output.print("Ctrl-C ends it.");
      output.result({ url: server.url, port: server.port });
      await serveUntilEnd({ engine, server, output, signal, drainMs, exitOnFailure });
    } finally {
      await engine.close();
    }
  },
});

function playgroundUrl(stream: string): string {
  const { host, protocol } = new URL(stream);
  return `${protocol === "wss:" ? "https" : "http"}://${host}/`;
}
