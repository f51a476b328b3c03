// The HTTP side of the port: OpenAI's routes, vLLM's for adapters, health and metrics, behind keys and limits.

import type { RequestListener } from "node:http";
import { MoloraError } from "../../proto/errors.ts";
import { type Access, bearerToken, checkOrigin, identify } from "../access.ts";
import { type Caller, Identity } from "../caller.ts";
import { resolveLimits, type ServerLimits } from "../limits.ts";
import type { Journal } from "../observe/journal.ts";
import type { Profile, Profiles } from "../profiles.ts";
import { withoutPaths } from "../public_engine.ts";
import { adapterRoutes } from "./adapters.ts";
import { completionRoutes } from "./completions.ts";
import { errorBody } from "./errors.ts";
import { health } from "./health.ts";
import { baseModel, listModels, resolveModel } from "./models.ts";
import { nameRoutes } from "./names.ts";
import { responseRoutes } from "./responses/routes.ts";
import { type HttpHead, type HttpReply, type HttpRequest, Router } from "./router.ts";
import { tokenizeRoutes } from "./tokenize.ts";
import { Turnstile } from "./turnstile.ts";
import { IGNORED_HEADER } from "./unknown_fields.ts";
import { VERSION } from "./version.ts";

export interface HttpOptions extends Access {
  /** The base's name among the models. Default: its folder's or file's stem. */
  modelName?: string;
  /** The folder clients may load adapters from. Without one, loading is refused. */
  adapterRoot?: string;
  /** The same for mixtures. */
  mixtureRoot?: string;
  /** Bytes of the files of an adapter that a client sends. Default 256 MiB. */
  maxUploadBytes?: number;
  /** Refuse request fields that would be ignored. Default: they are listed in the header `x-molora-ignored`. */
  strict?: boolean;
  /** Milliseconds without an event after which a stream gets a comment. Default 15 s. */
  heartbeatMs?: number;
  /** Bytes of a body. Default 8 MiB. */
  maxBodyBytes?: number;
  limits?: Partial<ServerLimits>;
  /** Further routes, such as a page at "/". Registered first; what it leaves free is served as usual. */
  routes?: (app: Router) => void | Promise<void>;
}

export interface HttpApp {
  handler: RequestListener;
}

const DEFAULT_BODY = 8 * 2 ** 20;
/** What asks for the key; health, metrics and pages do not. */
const KEYED = /^\/(?:v1\/|(?:de)?tokenize(?:\?|$))/;

/** What stands behind the routes. */
export interface Behind {
  profiles: Profiles;
  /** What Prometheus is told. */
  metrics: { contentType: string; text(): Promise<string> };
  journal: Journal;
}

export async function httpApp(behind: Behind, options: HttpOptions): Promise<HttpApp> {
  const { profiles, journal } = behind;
  const { maxBodyBytes = DEFAULT_BODY } = options;
  const limits = resolveLimits(options.limits);
  const app = new Router({
    bodyLimit: maxBodyBytes,
    admit: (head, reply) => admit(head, reply, options),
    prepare: async (request) => (needsEngine(request) ? profileMeant(profiles, request)?.hold() : undefined),
    profileOf: (request) => profiles.of(request),
    onError(thrown, { id, url }, reply) {
      const known = MoloraError.from(thrown);
      journal.refused(known, { id, path: pathOf(url) });
      // What nobody foresaw may name anything.
      const error = known.code === "internal" ? withoutPaths(known) : known;
      const retryAfter = error.details?.retryAfterSeconds;
      if (typeof retryAfter === "number") reply.header("retry-after", String(retryAfter));
      reply.status(error.status).send(errorBody(error));
    },
    notFound({ method, url }) {
      throw new MoloraError("unknown_path", `there is no ${method} ${pathOf(url)}`, {
        remedy: "Routes begin with /v1/, as OpenAI's do; the WebSocket stream is at /v1/stream.",
      });
    },
  });
  await options.routes?.(app);
  statusRoutes(app, behind);
  completionRoutes(app, { ...options, limits });
  responseRoutes(app, { ...options, limits });
  tokenizeRoutes(app, options.strict);
  adapterRoutes(app, options.adapterRoot);
  nameRoutes(app, options);
  const turnstile = new Turnstile();
  const handler: RequestListener = (request, response) => {
    const start = performance.now();
    response.once("close", () => {
      const { method = "", url = "" } = request;
      const id = String(response.getHeader("x-request-id"));
      const { statusCode: status } = response;
      journal.answered({ id, method, path: pathOf(url), status, ms: Math.round(performance.now() - start) });
    });
    // Work waits its turn before anything is done for it; questions about health do not.
    if (request.method !== "POST") app.handle(request, response);
    else void turnstile.enter().then(() => app.handle(request, response));
  };
  return { handler };
}

/** Who asks, if they may. Pages of allowed origins get the headers their browser wants to see. */
function admit({ id, headers, method, url }: HttpHead, reply: HttpReply, access: Access): Caller {
  const { allowedOrigins = [] } = access;
  checkOrigin(headers, allowedOrigins);
  const nobody: Caller = { id, headers, url, transport: "http", identity: new Identity(access.admin === true) };
  const { origin } = headers;
  if (origin !== undefined && allowedOrigins.includes(origin)) {
    reply.header("access-control-allow-origin", origin).header("vary", "origin");
    reply.header("access-control-expose-headers", `${IGNORED_HEADER}, x-request-id, retry-after`);
    if (method === "OPTIONS") {
      reply.header("access-control-allow-methods", "GET, POST, PUT, DELETE").header("access-control-max-age", "600");
      reply.header("access-control-allow-headers", headers["access-control-request-headers"] ?? "");
      reply.status(204).send();
      return nobody;
    }
  }
  return KEYED.test(url) ? { ...nobody, identity: identify(bearerToken(headers), access) } : nobody;
}

/** Listing models opens none of those that are not open, nor do health and metrics. */
function needsEngine({ method, url }: HttpHead): boolean {
  return KEYED.test(url) && method !== "OPTIONS" && pathOf(url) !== "/v1/models";
}

/** Undefined where it means none of them: the route says so in its own time. */
function profileMeant(profiles: Profiles, request: HttpRequest): Profile | undefined {
  try {
    const named = /^\/v1\/models\/(.+)$/.exec(pathOf(request.url))?.[1];
    return named === undefined ? profiles.of(request) : profiles.ofModel(decodeURIComponent(named));
  } catch {
    return undefined;
  }
}

function pathOf(url: string): string {
  return url.split("?", 1)[0].slice(0, 256);
}

function statusRoutes(app: Router, { profiles, metrics }: Behind): void {
  const created = Math.floor(Date.now() / 1000);
  for (const path of ["/health", "/ready"]) {
    app.get(path, async (_request, reply) => {
      const [status, body] = health(profiles.all);
      reply.status(status);
      return body;
    });
  }
  app.get("/version", () => ({ version: VERSION }));
  app.get("/metrics", async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.text();
  });
  app.get("/v1/models", ({ caller }) => {
    const seen = profiles.all.filter((profile) => profile.isFor(caller));
    const data = seen.flatMap((profile) => {
      const { engine, base } = profile;
      return engine === undefined ? baseModel(base, created) : listModels(profile.engineFor(caller), base, created);
    });
    return { object: "list", data };
  });
  app.get("/v1/models/*", ({ caller, params }) => {
    const id = params["*"];
    const profile = profiles.ofModel(id);
    const { base } = profile;
    const engine = profile.engineFor(caller);
    resolveModel(engine, base, id);
    return listModels(engine, base, created).find((card) => card.id === id);
  });
}
