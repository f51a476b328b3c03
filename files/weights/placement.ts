// Whether the places a directory gives its tensors can all be true: inside the file, none on top of another.
// A reader has already checked that each place has its tensor's size.

import { MoloraError } from "../../proto/errors.ts";

/** Bytes [begin, end) of a file's data section. */
export interface Placement {
  name: string;
  begin: number;
  end: number;
}

const REMEDY = "The file is damaged or was not written by a faithful exporter: fetch or export it again.";

/**
 * Checks tensors against a data section of `size` bytes in which the next tensor starts at a multiple of `alignment`.
 * Returns the end of the last tensor. With `gaps` false, bytes that belong to no tensor are refused too
 * (`header_invalid`).
 *
 * @throws MoloraError `tensor_overlap`, `tensor_out_of_range` (a place no cut could explain) or `file_truncated`
 * (places follow each other properly, the file ends too early).
 */
export function checkPlacements(
  file: string,
  tensors: readonly Placement[],
  data: { size: number; alignment: number; gaps: boolean },
): number {
  const sorted = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let previous: Placement | undefined;
  let truncatedAt: Placement | undefined;
  for (const tensor of sorted) {
    const free = previous?.end ?? 0;
    if (tensor.begin < free) {
      throw new MoloraError("tensor_overlap", `${file}: tensors ${previous?.name} and ${tensor.name} share bytes`, {
        remedy: REMEDY,
        details: { tensors: [previous?.name, tensor.name] },
      });
    }
    const follows = tensor.begin === Math.ceil(free / data.alignment) * data.alignment;
    if (!follows && tensor.end > data.size) throw outOfRange(file, tensor, data.size);
    if (!follows && !data.gaps) {
      throw new MoloraError("header_invalid", `${file}: bytes ${free}..${tensor.begin} belong to no tensor`, {
        remedy: REMEDY,
      });
    }
    if (tensor.end > data.size) truncatedAt ??= tensor;
    previous = tensor;
  }
  if (truncatedAt) {
    throw new MoloraError(
      "file_truncated",
      `${file}: tensor ${truncatedAt.name} ends at byte ${truncatedAt.end} of the data, there are ${data.size}`,
      { remedy: "Fetch the file again; it is shorter than its header says.", details: { tensor: truncatedAt.name } },
    );
  }
  return previous?.end ?? 0;
}

/** The error for a tensor placed where the file has nothing. */
export function outOfRange(file: string, tensor: Placement, size: number): MoloraError {
  return new MoloraError(
    "tensor_out_of_range",
    `${file}: tensor ${tensor.name} is placed at bytes ${tensor.begin}..${tensor.end} of ${size}`,
    { remedy: REMEDY, details: { tensor: tensor.name } },
  );
}
