// The flags of `molora serve`, and what they come to: each is checked before anything is loaded.

import { stat } from "node:fs/promises";
import { MoloraError } from "../../proto/errors.ts";
import { checkAccess } from "../../server/access.ts";
import { Keyring } from "../../server/keys/keyring.ts";
import { DEFAULT_LIMITS, type ServerLimits } from "../../server/limits.ts";
import { type JournalOptions, LOG_LEVELS } from "../../server/observe/journal.ts";
import { readPair, type TlsFiles } from "../../server/tls.ts";
import type { FlagValues } from "./arguments.ts";
import { choice, integer, list, number, secret, text, toggle } from "./flags.ts";

const MEGABYTE = 2 ** 20;
/** The longest delay a timer takes, in seconds. */
const LONGEST = Math.floor((2 ** 31 - 1) / 1000);
const seconds = (summary: string, min: number, fallback: number) =>
  number("SECONDS", summary, { min, max: LONGEST }, fallback);

export const SERVE_FLAGS = {
  host: text("HOST", "Address to listen on; 0.0.0.0 is every one of this machine", "127.0.0.1"),
  port: integer("PORT", "Port to listen on; 0 = any free one", { min: 0, max: 65535 }, 8080),
  token: secret("SECRET", "Connections that present it may load and unload (default: $MOLORA_TOKEN)"),
  keys: text("FILE", "Only who presents a key of this file is served; made by molora keys"),
  tlsCert: text("FILE", "Serve over TLS with this certificate (PEM); read again when it changes"),
  tlsKey: text("FILE", "The certificate's private key (PEM)"),
  log: choice(LOG_LEVELS, "JSON lines on standard error: defects, refusals, generations, all of HTTP", "warn"),
  logPrompts: toggle("Log what was asked and answered too"),
  admin: toggle("Every connection may load and unload"),
  adapterRoot: text("DIR", "The folder that clients may load adapters from"),
  mixtureRoot: text("DIR", "The folder that clients may load mixtures from"),
  allowOrigin: list("URL", "A web page's origin that may connect, beside pages of this server's own address"),
  profile: list("NAME", "Serve this profile of the --config file (default: all of them, where it has some)"),
  maxSockets: integer("N", "Most sockets that are open, plain HTTP and WebSocket alike (default: 1024)", { min: 1 }),
  maxRequests: integer("N", "Most open requests of one WebSocket", { min: 1 }, DEFAULT_LIMITS.maxRequests),
  maxBodyBytes: integer("N", "Longest body of an HTTP request", { min: 1024, max: 2 ** 30 }, 8 * MEGABYTE),
  maxUploadBytes: integer("N", "Bytes of the files of an adapter that a client sends", { min: 1 }, 256 * MEGABYTE),
  maxFrameBytes: integer(
    "N",
    "Longest WebSocket frame a client may send",
    { min: 1024, max: 2 ** 30 },
    DEFAULT_LIMITS.maxFrameBytes,
  ),
  stallSeconds: seconds("A reader that takes nothing for so long is cut off", 0.001, DEFAULT_LIMITS.stallMs / 1000),
  closeSeconds: seconds("A closing socket has so long to take what is left", 0.001, DEFAULT_LIMITS.closeMs / 1000),
  drainSeconds: seconds("On SIGTERM, SIGHUP and Ctrl-C, running requests have so long to end", 0, 5),
  exitOnFailure: toggle("End with an error when the engine fails (the default)"),
  noExitOnFailure: toggle("Stay when the engine fails: /health says 503, and somebody else restarts this"),
  strict: toggle("Refuse request fields that would be ignored; else the header x-molora-ignored lists them"),
};

/** Of an engine that is served, beside what it loads. */
export const ENGINE_FLAGS = {
  maxSequences: integer("N", "Most requests that run at once", { min: 1 }, 32),
  maxQueue: integer("N", "Most requests that wait", { min: 1 }, 1024),
  drainThreshold: number(
    "SECONDS",
    "A request whose adapters do not fit is passed for so long; then what runs drains for it",
    {
      min: 0,
      max: LONGEST,
    },
  ),
  lazy: toggle("Open this profile when somebody asks for it, and close it again while nobody does and memory is short"),
  preload: integer(
    "N",
    "Read the N adapters most asked for in earlier runs before somebody asks; of lazy profiles, open those that were needed",
    { min: 0 },
    0,
  ),
  noPrefixCache: toggle("Compute every prompt anew: how fast one is answered then tells nobody of another's"),
  agreementDrop: number(
    "X",
    "Alert when adapters that act at once agree in sign on so much less of their parameters behind a new generation; 0: no watch",
    { min: 0, max: 1 },
    0.05,
  ),
  agreementWindow: integer("N", "Tokens on either side of such a change that are compared", { min: 1 }, 256),
};

const LOCAL = ["127.0.0.1", "localhost", "::1"];

export interface ServeSettings {
  access: { admin: boolean; token?: string; keys?: Keyring; allowedOrigins: string[] };
  tls?: TlsFiles;
  log: JournalOptions;
  roots: { adapterRoot?: string; mixtureRoot?: string };
  limits: Partial<ServerLimits>;
  drainMs: number;
  exitOnFailure: boolean;
}

/** @throws MoloraError `bad_arguments` for whatever cannot be, before a model is read. */
export async function readServeFlags(flags: FlagValues<typeof SERVE_FLAGS>): Promise<ServeSettings> {
  if (flags.admin && !LOCAL.includes(flags.host)) {
    throw new MoloraError("bad_arguments", `--admin on ${flags.host} lets the network load and unload`, {
      remedy: "Give a --token SECRET in its place.",
    });
  }
  if (flags.exitOnFailure && flags.noExitOnFailure) {
    throw new MoloraError("bad_arguments", "--exit-on-failure and --no-exit-on-failure contradict each other", {
      remedy: "Give one of them, or none.",
    });
  }
  // A variable that is set to nothing counts as unset; a flag that was typed does not.
  const token = flags.token ?? (process.env.MOLORA_TOKEN || undefined);
  const access = {
    admin: flags.admin,
    allowedOrigins: flags.allowOrigin,
    ...(token === undefined ? {} : { token }),
    ...(flags.keys === undefined ? {} : { keys: await Keyring.open(flags.keys) }),
  };
  checkAccess(access);
  const tls = readTls(flags);
  for (const name of ["adapterRoot", "mixtureRoot"] as const) await checkFolder(name, flags[name]);
  return {
    access,
    ...(tls === undefined ? {} : { tls }),
    log: { level: flags.log, prompts: flags.logPrompts },
    roots: {
      ...(flags.adapterRoot === undefined ? {} : { adapterRoot: flags.adapterRoot }),
      ...(flags.mixtureRoot === undefined ? {} : { mixtureRoot: flags.mixtureRoot }),
    },
    limits: {
      maxFrameBytes: flags.maxFrameBytes,
      maxRequests: flags.maxRequests,
      stallMs: Math.ceil(flags.stallSeconds * 1000),
      closeMs: Math.ceil(flags.closeSeconds * 1000),
      ...(flags.maxSockets === undefined ? {} : { maxSockets: flags.maxSockets }),
    },
    drainMs: Math.ceil(flags.drainSeconds * 1000),
    exitOnFailure: !flags.noExitOnFailure,
  };
}

function readTls({ tlsCert, tlsKey }: FlagValues<typeof SERVE_FLAGS>): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    const [given, missing] = tlsKey === undefined ? ["--tls-cert", "--tls-key"] : ["--tls-key", "--tls-cert"];
    throw new MoloraError("bad_arguments", `${given} needs ${missing}`, { remedy: "Give both." });
  }
  const files = { certFile: tlsCert, keyFile: tlsKey };
  readPair(files);
  return files;
}

async function checkFolder(name: "adapterRoot" | "mixtureRoot", path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  const flag = name === "adapterRoot" ? "--adapter-root" : "--mixture-root";
  const what = found === undefined ? "does not exist, or may not be read" : "is no folder";
  throw new MoloraError("bad_arguments", `${flag} ${path} ${what}`, {
    remedy: "Make the folder first; clients name what lies in it.",
    details: { flag, path },
  });
}
