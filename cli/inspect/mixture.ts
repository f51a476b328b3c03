// Inspects a mixture without its base: its router, its experts, and the base it was made for.

import { Fields } from "../../files/fields.ts";
import type { SourceFolder } from "../../files/source.ts";
import { MoloraError } from "../../proto/errors.ts";
import { MIXTURE_FILE } from "../../router/format.ts";
import { type MixtureFacts, type Problem, problem } from "./inspection.ts";

const MAX_BYTES = 4 << 20;

export async function inspectMixture(
  folder: SourceFolder,
): Promise<{ facts: MixtureFacts | null; problems: Problem[] }> {
  try {
    const source = (await folder.open(MIXTURE_FILE))!;
    const fields = await Fields.read(source, MAX_BYTES, "mixture_invalid");
    const made = fields.object("base_model");
    const experts = fields.objects("experts").map((expert) => ({
      name: expert.string("name"),
      adapter: expert.has("adapter") ? expert.string("adapter") : null,
    }));
    const baseModel = {
      architecture: made.string("architecture"),
      hiddenSize: made.number("hidden_size"),
      layers: made.number("num_hidden_layers"),
    };
    return { facts: { baseModel, router: fields.object("router").string("type"), experts }, problems: [] };
  } catch (error) {
    return { facts: null, problems: [problem("mixture", MoloraError.from(error))] };
  }
}
