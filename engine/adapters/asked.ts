// Where a name was looked for in vain, in words for whoever asked for it.

/** Of a name that nobody has loaded. */
export interface Asked {
  /** Folders and addresses, in the order of asking, as they may be shown: without secrets. */
  places: readonly string[];
  /** Milliseconds for which they are not asked for it again. */
  againMs: number;
}

/** A sentence behind a space; "" where there is no place to ask. */
export function inVain({ places, againMs }: Asked): string {
  if (places.length === 0) return "";
  const wait = `${againMs / 1000} s`;
  return ` Asked in vain: ${places.join(", ")}; the next time after ${wait} at the earliest.`;
}
