// Where a Hugging Face folder keeps its chat templates: in files of their own, or in tokenizer_config.json.

import { readText, type SourceFolder } from "../source.ts";

/** Jinja sources. */
export interface ChatTemplates {
  /** chat_template.jinja, else tokenizer_config.json's `chat_template` (its "default" where it lists several). */
  chatTemplate: string | undefined;
  /** For a conversation with tools, where the model has another one for that, which transformers calls "tool_use". */
  toolTemplate?: string;
}

/** Files go before what tokenizer_config.json states, as transformers has it. */
export async function readTemplates(
  folder: SourceFolder,
  tokenizerConfig: Record<string, unknown> | undefined,
): Promise<ChatTemplates> {
  const own = await folder.open("chat_template.jinja");
  const ownTools = await folder.open("additional_chat_templates/tool_use.jinja");
  const stated = own || ownTools ? undefined : tokenizerConfig?.chat_template;
  const named = (name: string) => (Array.isArray(stated) ? stated.find((entry) => entry?.name === name)?.template : "");
  const chatTemplate = own ? await readText(own) : Array.isArray(stated) ? named("default") : stated;
  const toolTemplate = ownTools ? await readText(ownTools) : named("tool_use");
  return {
    chatTemplate: typeof chatTemplate === "string" ? chatTemplate : undefined,
    ...(typeof toolTemplate === "string" && toolTemplate !== "" ? { toolTemplate } : {}),
  };
}
