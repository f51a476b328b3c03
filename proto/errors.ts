// The one error class of molora and its table of stable codes.
// It knows nothing of where an error travels: the wire, HTTP and the CLI read `code`, `message` and `remedy`.

/** Every code molora can raise, with the HTTP status it maps to. Codes are never renamed or reused. */
export const ERROR_CODES = {
  // requests
  unauthorized: 401,
  unknown_path: 404,
  bad_request: 400,
  unknown_field: 400,
  unknown_model: 404,
  unknown_adapter: 404,
  unknown_mixture: 404,
  prompt_empty: 400,
  prompt_too_long: 400,
  schema_invalid: 400,
  schema_too_complex: 400,
  queue_full: 429,
  duplicate_id: 409,
  unknown_request: 404,
  not_permitted: 403,
  cancelled: 499,
  slow_reader: 408,
  // frames
  bad_frame: 400,
  frame_too_large: 413,
  unknown_message: 400,
  // files
  file_not_found: 404,
  file_truncated: 422,
  header_too_large: 422,
  header_invalid: 422,
  tensor_out_of_range: 422,
  tensor_overlap: 422,
  tensor_missing: 422,
  tensor_shape: 422,
  tensor_not_finite: 422,
  unsupported_dtype: 422,
  unsupported_architecture: 422,
  config_invalid: 422,
  tokenizer_invalid: 422,
  chat_template_missing: 422,
  chat_template_failed: 400,
  adapter_unsupported: 422,
  adapter_mismatch: 422,
  adapter_no_effect: 422,
  adapter_in_use: 409,
  mixture_invalid: 422,
  mixture_mismatch: 422,
  data_invalid: 422,
  checksum_mismatch: 422,
  // machine
  no_gpu_adapter: 503,
  gpu_limit: 503,
  gpu_lost: 503,
  shader_failed: 500,
  out_of_pages: 503,
  download_failed: 502,
  bad_arguments: 400,
  engine_closed: 503,
  connection_lost: 503,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorInfo {
  /** What the person can do about it, one sentence. */
  remedy?: string;
  /** Machine-readable facts: offending field, matched and unmatched tensors, limits. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** An error a user can act on: a stable `code`, the reason as `message`, and a `remedy`. */
export class MoloraError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, info: ErrorInfo = {}) {
    super(message, info.cause === undefined ? undefined : { cause: info.cause });
    this.name = "MoloraError";
    this.code = code;
    this.remedy = info.remedy;
    this.details = info.details;
  }

  /** HTTP status of this error's code. */
  get status(): number {
    return ERROR_CODES[this.code];
  }

  /** The shape errors have on the wire and in `--json` output. */
  toJSON(): { code: ErrorCode; message: string; remedy?: string; details?: Record<string, unknown> } {
    return {
      code: this.code,
      message: this.message,
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }

  /** Wraps anything thrown: a MoloraError passes through, all else becomes `internal`. */
  static from(thrown: unknown): MoloraError {
    if (thrown instanceof MoloraError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new MoloraError("internal", message, { cause: thrown });
  }
}
