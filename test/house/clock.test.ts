// The machine's clock jumps. Whatever waits, expires or is ordered goes by performance.now(); the time of day is read only where a
// date is meant, and those places stand here, each with what it is for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sources, withoutComments } from "./sources.ts";

const DATES: Record<string, string> = {
  "cli/commands/keys.ts": "keys are made, revoked and expire by the calendar",
  "server/keys/keyring.ts": "keys expire by the calendar",
  "server/tls.ts": "certificates do",
  "engine/text/jinja/template.ts": "templates may print a date",
  "engine/requests/agreement_group.ts": "alerts carry one",
  "server/http/app.ts": "so do models",
  "server/http/reply.ts": "and answers",
  "server/http/responses/reply.ts": "and responses",
  "server/observe/vllm_metrics.ts": "lora_requests_info has it as its value",
  "integrations/ai_sdk/language_model.ts": "and answers of the AI SDK",
  "node/hub/patient_fetch.ts": "a server that names a time and not its own clock",
  "node/sources/s3_store.ts": "signatures carry one, by the place's clock",
  "node/sources/disk_cache.ts": "times of files, in an order that does not jump; parts nobody finished",
  "node/download.ts": "parts nobody finished",
};

test("the time of day is read where a date is meant, and nowhere else", () => {
  const product = sources(".ts").filter(({ path }) => !/^(docs|examples|perf|setup|test)\//.test(path));
  const found = product.filter(({ text }) => /\bDate\.now\(\)|\bnew Date\(/.test(withoutComments(text)));
  assert.deepEqual(found.map(({ path }) => path).sort(), Object.keys(DATES).sort());
});
