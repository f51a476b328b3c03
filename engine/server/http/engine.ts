// What plain HTTP needs of an engine beyond what the stream needs: its tokenizer, for the names of tokens.
// It knows nothing of requests.

import type { Tokenizer } from "../../text/tokenizer.ts";
import type { EnginePort } from "../port.ts";

export interface HttpEngine extends EnginePort {
  readonly tokenizer: Tokenizer;
}
