// `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`, as vLLM has them, for administrators.

import { Fields } from "../../files/fields.ts";
import type { LoadAdapterOptions } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { resolveLoadable } from "../stream/paths.ts";
import type { HttpRequest, Router } from "./router.ts";

export function adapterRoutes(app: Router, adapterRoot: string | undefined): void {
  app.post("/v1/load_lora_adapter", async (request) => {
    requireAdmin(request);
    const body = new Fields(request.body, "request", "bad_request");
    body.only(["lora_name", "lora_path", "load_inplace", "base_model_name", "expected_generation", "pinned"]);
    if (!body.has("lora_name") || !body.has("lora_path")) {
      throw new MoloraError("bad_request", "Both 'lora_name' and 'lora_path' must be provided.");
    }
    const name = body.string("lora_name");
    const path = await resolveLoadable(adapterRoot, body.string("lora_path"), "adapterRoot");
    const adapter = await request.engine.loadAdapter(name, path, readLoadOptions(body)).catch((thrown: unknown) => {
      throw asVllmSays(MoloraError.from(thrown), name);
    });
    return { message: `Success: LoRA adapter '${name}' added successfully.`, adapter };
  });

  app.post("/v1/unload_lora_adapter", async (request) => {
    requireAdmin(request);
    const body = new Fields(request.body, "request", "bad_request");
    body.only(["lora_name", "lora_int_id", "base_model_name"]);
    if (!body.has("lora_name")) {
      throw new MoloraError("bad_request", "'lora_name' needs to be provided to unload a LoRA adapter.");
    }
    const name = body.string("lora_name");
    await request.engine.unloadAdapter(name).catch((thrown: unknown) => {
      throw asVllmSaysOfUnloading(MoloraError.from(thrown), name);
    });
    return { message: `Success: LoRA adapter '${name}' removed successfully.` };
  });
}

/** How a name is given: as in vLLM only where it is free, unless `load_inplace`; over a generation that is expected, in its place. */
export function readLoadOptions(body: Fields): LoadAdapterOptions {
  const inPlace = body.has("load_inplace") && body.boolean("load_inplace");
  const pinned = body.has("pinned") && body.boolean("pinned");
  if (!body.names().includes("expected_generation")) return { replace: inPlace, pinned };
  const expectedGeneration = body.has("expected_generation") ? body.string("expected_generation") : null;
  return { pinned, expectedGeneration };
}

/** Scripts written for vLLM look for its words (vllm/entrypoints/openai/models/serving.py, `_check_load_lora_adapter_request`). */
export function asVllmSays(error: MoloraError, name: string): MoloraError {
  if (error.details?.loaded !== name) return error;
  return new MoloraError(error.code, `The lora adapter '${name}' has already been loaded`, {
    remedy: "If you want to load the adapter in place, set 'load_inplace' to True.",
    details: { field: "lora_name" },
  });
}

function asVllmSaysOfUnloading(error: MoloraError, name: string): MoloraError {
  if (error.code !== "unknown_adapter") return error;
  const details = { ...error.details, field: "lora_name" };
  return new MoloraError(error.code, `The lora adapter '${name}' cannot be found.`, { details });
}

export function requireAdmin({ caller, url }: HttpRequest): void {
  if (caller.identity.admin) return;
  throw new MoloraError("not_permitted", `${url} is not open to this client`, {
    remedy: "Present the server's token or a key of scope admin, or start the server with `admin`.",
  });
}
