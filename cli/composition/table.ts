// A table of texts, whose first column is its rows' names.

export interface Table {
  head: string[];
  rows: string[][];
}
