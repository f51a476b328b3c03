// Errors in OpenAI's shape, with molora's stable codes, whatever was thrown.

import type { MoloraError } from "../../proto/errors.ts";

/** `code`, `remedy` and `details` are molora's; the rest is what OpenAI's clients read. */
export interface ErrorBody {
  error: {
    message: string;
    type: string;
    param: string | null;
    code: string;
    remedy?: string;
    details?: Record<string, unknown>;
  };
}

export function errorBody(error: MoloraError): ErrorBody {
  const { code, message, remedy, details } = error.toJSON();
  const field = details?.field;
  return {
    error: {
      message: remedy === undefined ? message : `${message.replace(/\.$/, "")}. ${remedy}`,
      type: errorType(error.status),
      param: typeof field === "string" ? snakeCase(field) : null,
      code,
      ...(remedy === undefined ? {} : { remedy }),
      ...(details === undefined ? {} : { details }),
    },
  };
}

/** The engine speaks camelCase, OpenAI's clients do not. */
function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function errorType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}
