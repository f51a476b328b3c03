// The HTTP side of the port: OpenAI's routes, vLLM's for adapters, health and metrics, behind keys and limits.

import type { RequestListener } from "node:http";
import { MoloraError } from "../../proto/errors.ts";
import { type Access, bearerToken, checkOrigin, requireKey, sameSecret } from "../access.ts";
import { resolveLimits, type ServerLimits } from "../limits.ts";
import type { Metrics } from "../metrics.ts";
import type { HttpEngine } from "../port.ts";
import { withoutPaths } from "../public_engine.ts";
import { adapterRoutes } from "./adapters.ts";
import { completionRoutes } from "./completions.ts";
import { errorBody } from "./errors.ts";
import { health } from "./health.ts";
import { baseName, listModels, resolveModel } from "./models.ts";
import { nameRoutes } from "./names.ts";
import { responseRoutes } from "./responses/routes.ts";
import { Router } from "./router.ts";
import { tokenizeRoutes } from "./tokenize.ts";
import { Turnstile } from "./turnstile.ts";
import { IGNORED_HEADER } from "./unknown_fields.ts";

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

/** `closed`: why no request is taken, if so. */
export async function httpApp(
  engine: HttpEngine,
  metrics: Metrics,
  options: HttpOptions & { closed: () => MoloraError | undefined },
): Promise<HttpApp> {
  const { maxBodyBytes = DEFAULT_BODY } = options;
  const limits = resolveLimits(options.limits);
  const base = baseName(engine, options.modelName);
  const app = new Router({
    bodyLimit: maxBodyBytes,
    onError(thrown, _request, reply) {
      const known = MoloraError.from(thrown);
      // What nobody foresaw may name anything.
      const error = known.code === "internal" ? withoutPaths(known) : known;
      reply.status(error.status).send(errorBody(error));
    },
    notFound({ method, url }) {
      throw new MoloraError("unknown_path", `there is no ${method} ${url.split("?", 1)[0].slice(0, 256)}`, {
        remedy: "Routes begin with /v1/, as OpenAI's do; the WebSocket stream is at /v1/stream.",
      });
    },
  });
  guard(app, options);
  await options.routes?.(app);
  statusRoutes(app, engine, metrics, base, options.closed);
  completionRoutes(app, engine, base, { ...options, limits });
  responseRoutes(app, engine, base, { ...options, limits });
  tokenizeRoutes(app, engine, base, options.strict);
  adapterRoutes(app, engine, options, options.adapterRoot);
  nameRoutes(app, engine, options);
  const turnstile = new Turnstile();
  const handler: RequestListener = (request, response) => {
    // Work waits its turn before anything is done for it; questions about health do not.
    if (request.method !== "POST") app.handle(request, response);
    else void turnstile.enter().then(() => app.handle(request, response));
  };
  return { handler };
}

/** Who may ask at all. Pages of allowed origins get the headers their browser wants to see. */
function guard(app: Router, { allowedOrigins = [], apiKey, token }: Access): void {
  app.onRequest(({ headers, method, url }, reply) => {
    checkOrigin(headers, allowedOrigins);
    const { origin } = headers;
    if (origin !== undefined && allowedOrigins.includes(origin)) {
      reply.header("access-control-allow-origin", origin).header("vary", "origin");
      reply.header("access-control-expose-headers", IGNORED_HEADER);
      if (method === "OPTIONS") {
        reply.header("access-control-allow-methods", "GET, POST, PUT, DELETE").header("access-control-max-age", "600");
        reply.header("access-control-allow-headers", headers["access-control-request-headers"] ?? "");
        reply.status(204).send();
        return;
      }
    }
    if (apiKey === undefined || !KEYED.test(url)) return;
    const presented = bearerToken(headers);
    if (presented === undefined || !sameSecret(presented, token)) requireKey(presented, apiKey);
  });
}

function statusRoutes(
  app: Router,
  engine: HttpEngine,
  metrics: Metrics,
  base: string,
  closed: () => MoloraError | undefined,
): void {
  const created = Math.floor(Date.now() / 1000);
  for (const path of ["/health", "/ready"]) {
    app.get(path, async (_request, reply) => {
      const [status, body] = health(engine, base, closed());
      reply.status(status);
      return body;
    });
  }
  app.get("/metrics", async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.text();
  });
  app.get("/v1/models", () => ({ object: "list", data: listModels(engine, base, created) }));
  app.get("/v1/models/*", ({ params }) => {
    const id = params["*"];
    resolveModel(engine, base, id);
    return listModels(engine, base, created).find((card) => card.id === id);
  });
}
