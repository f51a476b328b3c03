// The HTTP side of the port: OpenAI's routes, vLLM's for adapters, health and metrics, behind keys and limits.
// It knows nothing of listening (serve.ts), nor of what a route answers.

import type { RequestListener } from "node:http";
import fastify, { type FastifyInstance } from "fastify";
import { MoloraError } from "../../proto/errors.ts";
import { type Access, bearerToken, checkOrigin, requireKey, sameSecret } from "../access.ts";
import type { Metrics } from "../metrics.ts";
import type { HttpEngine } from "../port.ts";
import { adapterRoutes } from "./adapters.ts";
import { completionRoutes } from "./completions.ts";
import { errorBody, requestError } from "./errors.ts";
import { baseName, listModels, resolveModel } from "./models.ts";

export interface HttpOptions extends Access {
  /** The base's name among the models. Default: its folder's or file's stem. */
  modelName?: string;
  /** The folder clients may load adapters from. Without one, loading is refused. */
  adapterRoot?: string;
  /** Bytes of a body. Default 8 MiB. */
  maxBodyBytes?: number;
  /** Further routes, such as a page at "/". Registered first; what it leaves free is served as usual. */
  routes?: (app: FastifyInstance) => void | Promise<void>;
}

export interface HttpApp {
  handler: RequestListener;
  close(): Promise<void>;
}

const DEFAULT_BODY = 8 * 2 ** 20;

export async function httpApp(engine: HttpEngine, metrics: Metrics, options: HttpOptions = {}): Promise<HttpApp> {
  const { maxBodyBytes = DEFAULT_BODY } = options;
  const base = baseName(engine, options.modelName);
  // Schemas may name any property; nothing here copies a body's keys by assignment.
  const app = fastify({ bodyLimit: maxBodyBytes, onProtoPoisoning: "ignore", onConstructorPoisoning: "ignore" });
  app.setErrorHandler((thrown, _request, reply) => {
    const error = requestError(thrown, maxBodyBytes);
    return reply.status(error.status).send(errorBody(error));
  });
  app.setNotFoundHandler(({ method, url }) => {
    throw new MoloraError("unknown_path", `there is no ${method} ${url.split("?", 1)[0].slice(0, 256)}`, {
      remedy: "Routes begin with /v1/, as OpenAI's do; the WebSocket stream is at /v1/stream.",
    });
  });
  guard(app, options);
  await options.routes?.(app);
  statusRoutes(app, engine, metrics, base);
  completionRoutes(app, engine, base);
  adapterRoutes(app, engine, options, options.adapterRoot);
  await app.ready();
  return { handler: (request, response) => app.routing(request, response), close: () => app.close() };
}

/** Who may ask at all. Pages of allowed origins get the headers their browser wants to see. */
function guard(app: FastifyInstance, { allowedOrigins = [], apiKey, token }: Access): void {
  app.addHook("onRequest", async ({ headers, method, url }, reply) => {
    checkOrigin(headers, allowedOrigins);
    const { origin } = headers;
    if (origin !== undefined && allowedOrigins.includes(origin)) {
      reply.header("access-control-allow-origin", origin).header("vary", "origin");
      if (method === "OPTIONS") {
        reply.header("access-control-allow-methods", "GET, POST").header("access-control-max-age", "600");
        reply.header("access-control-allow-headers", headers["access-control-request-headers"] ?? "");
        return reply.status(204).send();
      }
    }
    if (apiKey === undefined || !url.startsWith("/v1/")) return;
    const presented = bearerToken(headers);
    if (presented === undefined || !sameSecret(presented, token)) requireKey(presented, apiKey);
  });
}

function statusRoutes(app: FastifyInstance, engine: HttpEngine, metrics: Metrics, base: string): void {
  const created = Math.floor(Date.now() / 1000);
  app.get("/health", () => {
    const { running, waiting } = engine.stats();
    return { status: "ok", model: base, running, waiting };
  });
  app.get("/metrics", async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.text();
  });
  app.get("/v1/models", () => ({ object: "list", data: listModels(engine, base, created) }));
  app.get<{ Params: { "*": string } }>("/v1/models/*", ({ params }) => {
    const id = params["*"];
    resolveModel(engine, base, id);
    return listModels(engine, base, created).find((card) => card.id === id);
  });
}
