// The file of a server's keys: read whole, written whole in one step, for its owner's eyes only.

import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Fields } from "../../files/fields.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type KeyRecord, readRecord } from "./key_record.ts";

const FORMAT = "molora-keys/1";

/** @throws MoloraError `file_not_found`, `config_invalid`. */
export async function readKeys(path: string): Promise<KeyRecord[]> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new MoloraError("file_not_found", `the keys in ${path} cannot be read: ${cause.message}`, {
      remedy: "Make a first key with: molora keys create --keys FILE --name NAME.",
      cause,
    });
  });
  return parseKeys(text, path);
}

function parseKeys(text: string, path: string): KeyRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MoloraError("config_invalid", `${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
  const file = new Fields(value, path, "config_invalid");
  file.only(["format", "keys"]);
  if (file.string("format") !== FORMAT) file.fail("format", JSON.stringify(FORMAT));
  const records = file.objects("keys").map(readRecord);
  const twice = records.find(({ id }, i) => records.findIndex((other) => other.id === id) < i);
  if (twice !== undefined) throw new MoloraError("config_invalid", `${path}: two keys have the id ${twice.id}`);
  return records;
}

/**
 * Changes the file's keys, which none else changes meanwhile. A file that is not there has none.
 *
 * @throws MoloraError `config_invalid`, `not_permitted` where it cannot be written or is being changed.
 */
export async function changeKeys(path: string, change: (keys: KeyRecord[]) => KeyRecord[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.new`;
  // Opened as new: two that change it at once cannot lose each other's keys.
  const file = await open(next, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
    const busy = cause.code === "EEXIST";
    throw new MoloraError("not_permitted", busy ? `${next} exists: ${path} is being changed` : cause.message, {
      remedy: busy ? "Try again; remove it if a change was broken off." : "Give --keys a file in a folder of yours.",
      cause,
    });
  });
  try {
    const there = await stat(path).catch(() => undefined);
    const keys = change(there === undefined ? [] : await readKeys(path));
    await file.writeFile(`${JSON.stringify({ format: FORMAT, keys }, null, 2)}\n`);
    await file.sync();
    await file.close();
    await rename(next, path);
  } catch (thrown) {
    await file.close().catch(() => {});
    await rm(next, { force: true });
    throw thrown;
  }
}
