// Finds the name that a person probably meant, by edit distance.

/** The candidate with the fewest single-letter edits from `word`; undefined when even that one is far off. */
export function nearest(word: string, candidates: string[]): string | undefined {
  let best: string | undefined;
  // A word with more than half of its letters wrong is another word, not a slip
  let fewest = Math.max(2, Math.ceil(word.length / 2)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [best, fewest] = [candidate, edits];
  }
  return best ?? candidates.find((candidate) => word.length > 1 && candidate.startsWith(word));
}

/** Levenshtein distance: insertions, deletions and substitutions of one letter. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substituted, previous[j] + 1, row[j - 1] + 1));
    }
    previous = row;
  }
  return previous[b.length];
}
