// `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`, as vLLM has them, for administrators.

import { Fields } from "../../files/fields.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type Access, bearerToken, sameSecret } from "../access.ts";
import type { EnginePort } from "../port.ts";
import { resolveInside } from "../stream/paths.ts";
import type { HttpRequest, Router } from "./router.ts";

export function adapterRoutes(app: Router, engine: EnginePort, access: Access, adapterRoot: string | undefined): void {
  app.post("/v1/load_lora_adapter", async (request) => {
    requireAdmin(request, access);
    const body = new Fields(request.body, "request", "bad_request");
    body.only(["lora_name", "lora_path", "load_inplace", "base_model_name"]);
    if (!body.has("lora_name") || !body.has("lora_path")) {
      throw new MoloraError("bad_request", "Both 'lora_name' and 'lora_path' must be provided.");
    }
    const name = body.string("lora_name");
    const path = await resolveInside(adapterRoot, body.string("lora_path"), "adapterRoot");
    const replace = body.has("load_inplace") && body.boolean("load_inplace");
    const adapter = await engine.loadAdapter(name, path, { replace }).catch((thrown: unknown) => {
      throw asVllmSays(MoloraError.from(thrown), name);
    });
    return { message: `Success: LoRA adapter '${name}' added successfully.`, adapter };
  });

  app.post("/v1/unload_lora_adapter", async (request) => {
    requireAdmin(request, access);
    const body = new Fields(request.body, "request", "bad_request");
    body.only(["lora_name", "lora_int_id"]);
    if (!body.has("lora_name")) {
      throw new MoloraError("bad_request", "'lora_name' needs to be provided to unload a LoRA adapter.");
    }
    const name = body.string("lora_name");
    await engine.unloadAdapter(name).catch((thrown: unknown) => {
      throw asVllmSays(MoloraError.from(thrown), name);
    });
    return { message: `Success: LoRA adapter '${name}' removed successfully.` };
  });
}

/** Scripts written for vLLM look for its words (vllm/entrypoints/openai/models/serving.py, `_check_…_request`). */
function asVllmSays(error: MoloraError, name: string): MoloraError {
  if (error.code === "unknown_adapter") {
    const details = { ...error.details, field: "lora_name" };
    return new MoloraError(error.code, `The lora adapter '${name}' cannot be found.`, { details });
  }
  if (error.details?.loaded !== name) return error;
  return new MoloraError(error.code, `The lora adapter '${name}' has already been loaded`, {
    remedy: "If you want to load the adapter in place, set 'load_inplace' to True.",
    details: { field: "lora_name" },
  });
}

function requireAdmin({ headers, url }: HttpRequest, { admin, token }: Access): void {
  const presented = bearerToken(headers);
  if (admin === true || (presented !== undefined && sameSecret(presented, token))) return;
  throw new MoloraError("not_permitted", `${url} is not open to this client`, {
    remedy: "Present the server's token, or start the server with `admin`.",
  });
}
