// A GGUF that gguf-split cut into files "NAME-00001-of-00003.gguf": all its parts, in order, their headers read.

import { MoloraError } from "../../../proto/errors.ts";
import { shown } from "../../shown.ts";
import type { ByteSource } from "../../source.ts";
import { type GgufHeader, readGgufHeader } from "./gguf_header.ts";

/** Opens another file of the folder a file lies in; undefined where there is none of that name. */
export type OpenBeside = (name: string) => Promise<ByteSource | undefined>;

export interface GgufPart {
  source: ByteSource;
  header: GgufHeader;
}

const NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;
const MAX_PARTS = 1024;

/** Which part of how many a file is by its name, from 1, and what parts of one file share; undefined: it is whole. */
export function partOf(name: string): { number: number; count: number; stem: string } | undefined {
  const [, stem, number, count] = NAME.exec(name) ?? [];
  return stem === undefined ? undefined : { number: Number(number), count: Number(count), stem };
}

/**
 * The parts of the GGUF that `source` is, or is any part of: one where it is whole. The first has the metadata.
 *
 * @throws MoloraError `file_not_found` for a part that is not there, `header_invalid` for parts that do not belong
 * together, `tensor_missing` where together they have fewer tensors than were cut, and what `readGgufHeader` throws
 */
export async function openParts(source: ByteSource, open?: OpenBeside): Promise<GgufPart[]> {
  const header = await readGgufHeader(source);
  const count = header.metadata.get("split.count") ?? 1;
  if (count === 0 || count === 1) return [{ source, header }];
  const file = source.name.replace(/^.*[/\\]/, "");
  const [, prefix, , named] = NAME.exec(file) ?? [];
  if (prefix === undefined || Number(named) !== count || count > MAX_PARTS) {
    throw foreign(source, `it is one of ${shown(count)} parts, which its name does not say`);
  }
  const parts: GgufPart[] = [];
  for (let number = 1; number <= count; number++) {
    const name = `${prefix}-${String(number).padStart(5, "0")}-of-${named}.gguf`;
    const part = name === file ? source : await open?.(name);
    if (part === undefined) {
      throw new MoloraError("file_not_found", `${source.name}: part ${name} is not there`, {
        remedy: "Fetch all parts into one folder.",
        details: { part: name },
      });
    }
    parts.push({ source: part, header: part === source ? header : await readGgufHeader(part) });
  }
  checkParts(parts);
  return parts;
}

function checkParts(parts: readonly GgufPart[]): void {
  const [first] = parts;
  for (const [index, { source, header }] of parts.entries()) {
    const number = header.metadata.get("split.no");
    const count = header.metadata.get("split.count");
    if (number !== index || count !== parts.length) {
      throw foreign(source, `it says it is part ${shown(number)} (from 0) of ${shown(count)}`);
    }
  }
  const stated = first.header.metadata.get("split.tensors.count");
  const there = parts.reduce((sum, { header }) => sum + header.tensors.length, 0);
  if (typeof stated === "number" && stated !== there) {
    throw new MoloraError(
      "tensor_missing",
      `${first.source.name}: ${stated} tensors were cut, the parts have ${there}`,
      {
        remedy: "Fetch all parts again, from one version of the model.",
      },
    );
  }
}

function foreign(source: ByteSource, reason: string): MoloraError {
  return new MoloraError("header_invalid", `${source.name}: ${reason}`, {
    remedy: "Give the parts their own names again, NAME-00001-of-0000N.gguf, all from one version of the model.",
  });
}
