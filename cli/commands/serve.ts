// `molora serve`: the engine on a port, until interrupted.
// It knows nothing of the protocol (server/).

import { MoloraError } from "../../proto/errors.ts";
import { serve } from "../../server/http/serve.ts";
import { playground } from "../../server/playground/static.ts";
import { defineCommand } from "../command.ts";
import { integer, list, text, toggle } from "../flags/flags.ts";
import { LOAD_FLAGS, loadEngine } from "../load.ts";

const LOCAL = ["127.0.0.1", "localhost", "::1"];

export const command = defineCommand({
  name: "serve",
  summary: "Serve over WebSocket and HTTP until interrupted",
  details: `
  molora serve --port 8080
  molora serve --model llama.gguf --adapter math=PATH --mixture default=DIR

Clients connect to ws://HOST:PORT/v1/stream and offer one of the subprotocols molora.v1.proto, molora.v1.msgpack and
molora.v1.json; OpenAI's clients use http://HOST:PORT/v1, people the playground at http://HOST:PORT/. Loading and
unloading over the wire needs --admin or a token, and a root to load from.
With --json, {"url", "port"} is printed once the port is open.
`,
  flags: {
    ...LOAD_FLAGS,
    host: text("HOST", "Address to listen on; 0.0.0.0 is every one of this machine", "127.0.0.1"),
    port: integer("PORT", "Port to listen on; 0 = any free one", { min: 0, max: 65535 }, 8080),
    token: text("SECRET", "Connections that present it may load and unload (default: $MOLORA_TOKEN)"),
    admin: toggle("Every connection may load and unload"),
    adapterRoot: text("DIR", "The folder that clients may load adapters from"),
    mixtureRoot: text("DIR", "The folder that clients may load mixtures from"),
    allowOrigin: list("URL", "A web page's origin that may connect, beside pages of this server's own address"),
    maxSequences: integer("N", "Most requests that run at once", { min: 1 }, 32),
    maxQueue: integer("N", "Most requests that wait", { min: 1 }, 1024),
    strict: toggle(
      "Refuse request fields that would be ignored, in place of listing them in the header x-molora-ignored",
    ),
    noPrefixCache: toggle("Compute every prompt anew: how fast one is answered then tells nobody of another's"),
  },
  async run({ flags, output, signal }) {
    const token = flags.token ?? (process.env.MOLORA_TOKEN || undefined);
    if (flags.admin && !LOCAL.includes(flags.host)) {
      throw new MoloraError("bad_arguments", `--admin on ${flags.host} lets the network load and unload`, {
        remedy: "Give a --token SECRET in its place.",
      });
    }
    const { maxSequences, maxQueue, noPrefixCache } = flags;
    const engine = await loadEngine(flags, output, { maxSequences, maxQueue, prefixCache: !noPrefixCache });
    try {
      const server = await serve(engine, {
        routes: playground,
        host: flags.host,
        port: flags.port,
        admin: flags.admin,
        strict: flags.strict,
        allowedOrigins: flags.allowOrigin,
        ...(token === undefined ? {} : { token }),
        ...(flags.adapterRoot === undefined ? {} : { adapterRoot: flags.adapterRoot }),
        ...(flags.mixtureRoot === undefined ? {} : { mixtureRoot: flags.mixtureRoot }),
      });
      const names = (loaded: { name: string }[]) => loaded.map(({ name }) => name).join(", ") || "none";
      output.print(`serving ${flags.model ?? "nano"} at ${server.url}`);
      output.print(`adapters: ${names(engine.listAdapters())}; mixtures: ${names(engine.listMixtures())}`);
      output.print(`playground: ${playgroundUrl(server.url)}`);
      output.print("Ctrl-C ends it.");
      output.result({ url: server.url, port: server.port });
      await aborted(signal);
      output.note("closing");
      await server.close();
    } finally {
      await engine.close();
    }
  },
});

function playgroundUrl(stream: string): string {
  const { host } = new URL(stream);
  return `http://${host}/`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
