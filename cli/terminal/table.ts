// Rows and columns as aligned text.

/** Columns are left-aligned up to the first that holds only numbers, and right-aligned from there. No final newline. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c].length)));
  const numbersFrom = head.findIndex((_, c) => rows.length > 0 && rows.every((row) => Number.isFinite(Number(row[c]))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => (numbersFrom >= 0 && c >= numbersFrom ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join("\n");
}
