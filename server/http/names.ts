// `/v1/lora_adapters`: what every name stands for and where it lies, and loading from bytes; `/v1/load_mixture` and its counterpart.
// Mixtures are in the same list: they share one space of names with adapters.

import { Fields } from "../../files/fields.ts";
import type { LoadAdapterOptions, NameReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { DEFAULT_UPLOAD } from "../pushed_files.ts";
import { resolveLoadable } from "../stream/paths.ts";
import { asVllmSays, readLoadOptions, requireAdmin } from "./adapters.ts";
import type { Router } from "./router.ts";
import { readUpload } from "./upload.ts";

const NAMES = "/v1/lora_adapters";

export interface NameRouteOptions {
  mixtureRoot?: string;
  /** Bytes of the files that are loaded from a body. Default 256 MiB. */
  maxUploadBytes?: number;
}

export function nameRoutes(app: Router, options: NameRouteOptions): void {
  app.get(NAMES, ({ engine }) => ({ object: "list", data: engine.listNames().map(card), tiers: engine.tiers() }));

  app.get(`${NAMES}/*`, ({ engine, params }) => {
    const found = engine.nameReport(params["*"]);
    if (found === undefined) throw unknownName(params["*"]);
    return card(found);
  });

  app.put(`${NAMES}/*`, async (request) => {
    requireAdmin(request);
    const files = await readUpload(request.raw, options.maxUploadBytes ?? DEFAULT_UPLOAD);
    const report = await request.engine.loadFiles(request.params["*"], files, readQuery(request.url));
    return { message: `Success: '${report.name}' stands for ${report.hash}.`, loaded: report };
  });

  app.delete(`${NAMES}/*`, async (request) => {
    requireAdmin(request);
    const name = request.params["*"];
    const found = request.engine.nameReport(name);
    if (found === undefined) throw unknownName(name);
    if (found.kind === "mixture") await request.engine.unloadMixture(name);
    else await request.engine.unloadAdapter(name);
    return { message: `Success: '${name}' removed successfully.` };
  });

  app.post("/v1/load_mixture", async (request) => {
    requireAdmin(request);
    const body = new Fields(request.body, "request", "bad_request");
    body.only(["mixture_name", "mixture_path", "load_inplace", "base_model_name", "expected_generation", "pinned"]);
    const name = body.string("mixture_name");
    const path = await resolveLoadable(options.mixtureRoot, body.string("mixture_path"), "mixtureRoot");
    const mixture = await request.engine.loadMixture(name, path, readLoadOptions(body)).catch((thrown: unknown) => {
      throw asVllmSays(MoloraError.from(thrown), name);
    });
    return { message: `Success: mixture '${name}' added successfully.`, mixture };
  });

  app.post("/v1/unload_mixture", async (request) => {
    requireAdmin(request);
    const body = new Fields(request.body, "request", "bad_request");
    body.only(["mixture_name", "base_model_name"]);
    const name = body.string("mixture_name");
    await request.engine.unloadMixture(name);
    return { message: `Success: mixture '${name}' removed successfully.` };
  });
}

function card({ kind, name, hash, tier, bytes, users, pinned }: NameReport) {
  return { id: name, object: "lora_adapter", kind, generation: hash, tier, bytes, users, pinned };
}

/** `?expected_generation=HASH&pinned=true`; an empty generation expects that the name stands for nothing. */
function readQuery(url: string): LoadAdapterOptions {
  const query = new URLSearchParams(url.split("?")[1] ?? "");
  const expected = query.get("expected_generation");
  const wrong = [...query.keys()].find((key) => !["expected_generation", "pinned", "profile"].includes(key));
  if (wrong !== undefined || !["true", "false", null].includes(query.get("pinned"))) {
    throw new MoloraError("bad_request", `the query cannot be read: ${url.split("?")[1]?.slice(0, 128)}`, {
      remedy: "It takes expected_generation=HASH, pinned=true and profile=NAME.",
    });
  }
  return {
    pinned: query.get("pinned") === "true",
    ...(expected === null ? {} : { expectedGeneration: expected === "" ? null : expected }),
  };
}

function unknownName(name: string): MoloraError {
  return new MoloraError("unknown_adapter", `no adapter or mixture is named ${JSON.stringify(name.slice(0, 128))}`, {
    remedy: `GET ${NAMES} lists those that are.`,
  });
}
