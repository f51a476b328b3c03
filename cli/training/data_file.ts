// Reads the rows of a JSONL file, plain or gzipped, one at a time.

import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { MoloraError } from "../../proto/errors.ts";
import { decodeUtf8 } from "../../proto/json_text.ts";
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
    const row = rowOrError(line, `${basename(path)} line ${number}`);
    if (row === undefined) continue;
    if (!MoloraError.is(row)) yield row;
    else if (onBadRow === undefined) throw row;
    else onBadRow(row);
  }
}

/** Undefined: the line is empty. */
function rowOrError(line: Uint8Array, where: string): Row | MoloraError | undefined {
  try {
    const text = readLine(line, where);
    return text.trim() === "" ? undefined : parseRow(text, where);
  } catch (error) {
    return MoloraError.from(error);
  }
}

/** A byte order mark, as some editors put before the first line, is left out. */
function readLine(line: Uint8Array, where: string): string {
  try {
    return decodeUtf8(line);
  } catch (cause) {
    throw new MoloraError("data_invalid", `${where} is not UTF-8`, { remedy: "Save the file as UTF-8.", cause });
  }
}

const NEWLINE = 0x0a;

/** Lines as bytes, so that one with bytes that are not UTF-8 is known by its number. */
async function* lines(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  // The callback keeps the error from being thrown outside: reading the last stream throws it
  const input = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => {}) : file;
  let open: Uint8Array[] = [];
  try {
    for await (const chunk of input as AsyncIterable<Uint8Array>) {
      let done = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, done)) {
        yield Buffer.concat([...open, chunk.subarray(done, end)]);
        open = [];
        done = end + 1;
      }
      if (done < chunk.length) open.push(chunk.subarray(done));
    }
  } catch (error) {
    throw fileError(path, error as Error);
  }
  if (open.length > 0) yield Buffer.concat(open);
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
