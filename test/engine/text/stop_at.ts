// Where a text stops, said as plainly as possible: it is read character by character.

/** The reference for stop_strings.ts: the first stop string to be complete ends the text; at a tie, the longest. */
export function stopAt(text: string, stop: readonly string[]): { text: string; stopped: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const complete = stop.filter((s) => text.slice(0, end).endsWith(s)).sort((a, b) => b.length - a.length)[0];
    if (complete !== undefined) return { text: text.slice(0, end - complete.length), stopped: complete };
  }
  return { text, stopped: undefined };
}
