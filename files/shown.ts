// An untrusted value as it may stand in a message: short, and made without running or descending into it.

/** Scalars as they are (strings cut at 80 characters), "a list" or "an object" for the rest. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value.length > 80 ? `${value.slice(0, 80)}…` : value;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
