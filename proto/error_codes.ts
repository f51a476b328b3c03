// Every error code, with its HTTP status and one sentence for each. `docs/errors.md` is made from this table.

/** Codes are never renamed, and the name of a retired code is never used again. */
export const ERROR_CODES = {
  // Requests
  unauthorized: { status: 401, meaning: "The server has a token, and the request carries none or another one." },
  unknown_path: { status: 404, meaning: "The server has no route of this path." },
  bad_request: {
    status: 400,
    meaning: "A field of the request is missing, of the wrong kind, or contradicts another.",
  },
  unknown_field: { status: 400, meaning: "A message has a field that its type does not know." },
  unknown_model: {
    status: 404,
    meaning: "No base, adapter or mixture of this engine has the model name that was asked for.",
  },
  unknown_adapter: { status: 404, meaning: "No adapter of this name is loaded." },
  unknown_mixture: { status: 404, meaning: "No mixture of this name is loaded." },
  generation_mismatch: {
    status: 409,
    meaning: "A name does not stand for the generation that the request expected it to.",
  },
  prompt_empty: { status: 400, meaning: "The prompt has no tokens." },
  prompt_too_long: {
    status: 400,
    meaning: "The prompt has more tokens than the context or the memory for keys and values holds.",
  },
  schema_invalid: {
    status: 400,
    meaning: "The JSON schema is no schema, or asks for something that a grammar cannot hold text to.",
  },
  schema_too_complex: {
    status: 400,
    meaning: "Compiling the JSON schema into a grammar would take too much time or memory.",
  },
  numeric_overflow: {
    status: 500,
    meaning: "The logits of a token are not finite numbers: weights or adapters overflow on the device.",
  },
  queue_full: { status: 429, meaning: "As many requests or connections as the limits allow are open or waiting." },
  rate_limited: {
    status: 429,
    meaning: "The API key has made as many requests, used as many tokens, or has as many requests open as it may.",
  },
  duplicate_id: { status: 409, meaning: "A request with the same id is still open on this connection." },
  unknown_request: { status: 404, meaning: "No request with this id is open on this connection." },
  not_permitted: {
    status: 403,
    meaning: "The server's flags, the API key's scopes, an origin or a file's permissions forbid what was asked for.",
  },
  cancelled: { status: 499, meaning: "The caller ended the work before it was done." },
  slow_reader: {
    status: 408,
    meaning: "The client reads more slowly than tokens are made, and what waits for it is over the limit.",
  },
  // Frames of the wire
  bad_frame: { status: 400, meaning: "A frame is not one message in the encoding that the connection negotiated." },
  frame_too_large: { status: 413, meaning: "A frame or body has more bytes than the receiver takes." },
  unsupported_encoding: { status: 415, meaning: "The body comes in a Content-Encoding that is not read." },
  unknown_message: { status: 400, meaning: "A message has a type that the protocol does not know." },
  // Files
  file_not_found: { status: 404, meaning: "A file or folder is not there or cannot be read." },
  file_truncated: { status: 422, meaning: "A file ends before the end that its header states." },
  header_too_large: {
    status: 422,
    meaning: "A header or configuration is larger than any real one, so it is not read.",
  },
  header_invalid: {
    status: 422,
    meaning: "The header of a weights file, or the index of its shards, is damaged or contradicts itself.",
  },
  tensor_out_of_range: { status: 422, meaning: "A tensor's bytes or rows lie outside the data of its file." },
  tensor_overlap: { status: 422, meaning: "Two tensors of a file share bytes." },
  tensor_missing: { status: 422, meaning: "A file lacks a tensor that its configuration demands." },
  tensor_shape: { status: 422, meaning: "A tensor has another shape than its configuration demands." },
  tensor_not_finite: { status: 422, meaning: "A tensor holds NaN or an infinity, or training has made one." },
  unsupported_dtype: { status: 422, meaning: "A tensor is stored in a number format that is not read." },
  unsupported_architecture: {
    status: 422,
    meaning: "The model, or a feature of it, is of a kind that is not computed here.",
  },
  config_invalid: { status: 422, meaning: "A configuration file lacks a field, or has a value that cannot be." },
  tokenizer_invalid: { status: 422, meaning: "The tokenizer's file is damaged, or of a kind that is not read." },
  chat_template_missing: {
    status: 422,
    meaning: "Messages were sent, and the model has no chat template to render them with.",
  },
  chat_template_failed: {
    status: 400,
    meaning: "The model's chat template cannot be parsed, or refuses these messages.",
  },
  adapter_unsupported: { status: 422, meaning: "The adapter uses a feature of PEFT that is not computed here." },
  adapter_mismatch: { status: 422, meaning: "The adapter's tensors do not fit this base." },
  adapter_no_effect: { status: 422, meaning: "Every delta of the adapter is zero, so it would change nothing." },
  adapter_in_use: {
    status: 409,
    meaning: "Not raised any more: who uses an adapter keeps it when its name is unloaded.",
  },
  mixture_invalid: {
    status: 422,
    meaning: "The mixture's file is damaged, or names experts or a router that cannot be.",
  },
  mixture_mismatch: { status: 422, meaning: "The mixture was made for another base." },
  data_invalid: { status: 422, meaning: "A row or file of training or scoring data is not of a form that is read." },
  checksum_mismatch: { status: 422, meaning: "A file is not the one whose hash was stated." },
  // The machine
  no_gpu_adapter: { status: 503, meaning: "The machine offers no device, or the library that opens it does not load." },
  gpu_limit: { status: 503, meaning: "A buffer is larger than the device can bind or hold." },
  gpu_lost: { status: 503, meaning: "The device stopped working while it was in use." },
  shader_failed: { status: 500, meaning: "The device refused to compile a kernel." },
  check_failed: {
    status: 500,
    meaning: "A device computes something else than the reference: a driver, a processor or molora is wrong.",
  },
  out_of_pages: {
    status: 503,
    meaning: "The device memory for adapters, keys and values is too small for what was asked.",
  },
  download_failed: { status: 502, meaning: "A file could not be fetched from any of its sources." },
  bad_arguments: { status: 400, meaning: "A command's flags, a call's options or a URL cannot be used as they are." },
  engine_closed: { status: 503, meaning: "The engine or the server is closed or closing." },
  connection_lost: { status: 503, meaning: "The connection to the server could not be made, or broke." },
  output_failed: { status: 500, meaning: "A command could not write its result: a full disk or a closed pipe, say." },
  internal: { status: 500, meaning: "Something in molora is wrong; please report it." },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;
