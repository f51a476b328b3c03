// Reads the rows of a JSONL file, plain or gzipped, one at a time.

import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { MoloraError } from "../../proto/errors.ts";
import { parseRow, type Row } from "../../training/data/rows.ts";

/**
 * Rows in the order of their lines; empty lines are passed over. Each row's `where` is "FILE line N", N from 1. With
 * `onBadRow`, a line that is no row is handed to it and passed over.
 *
 * @throws MoloraError `file_not_found`, `file_truncated` (a cut .gz), `data_invalid` for a line that is no row.
 */
export async function* readRows(path: string, onBadRow?: (error: MoloraError) => void): AsyncGenerator<Row> {
  let number = 0;
  for await (const line of lines(path)) {
    number++;
    if (line.trim() === "") continue;
    const row = rowOrError(line, `${basename(path)} line ${number}`);
    if (!MoloraError.is(row)) yield row;
    else if (onBadRow === undefined) throw row;
    else onBadRow(row);
  }
}

function rowOrError(line: string, where: string): Row | MoloraError {
  try {
    return parseRow(line, where);
  } catch (error) {
    return MoloraError.from(error);
  }
}

async function* lines(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  // The callback keeps the error from being thrown outside: reading the last stream throws it
  const input = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => {}) : file;
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw fileError(path, error as Error);
  }
}

function fileError(path: string, cause: Error): MoloraError {
  const code = "code" in cause ? String(cause.code) : "";
  if (code.startsWith("Z_")) {
    return new MoloraError("file_truncated", `${path} is no whole gzip file: ${cause.message}`, {
      remedy: "Fetch it again, or take the .gz off its name if it is not compressed.",
      cause,
    });
  }
  return new MoloraError("file_not_found", `${path} cannot be read (${code || cause.message})`, {
    remedy: "Check the path of --data.",
    cause,
  });
}
