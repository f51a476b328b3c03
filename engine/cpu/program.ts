// A CPU program: launches as commands for the threads, their arguments written once.

import { MoloraError } from "../../proto/errors.ts";
import type { CpuBody } from "../../shaders/kernel.ts";
import type { Launch, Program } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { COMMAND, COMMAND_WORDS } from "./control.ts";
import type { CpuBuffer } from "./memory.ts";
import type { ArgumentTable } from "./module.ts";

/** One body of a launch, its arguments in place. */
interface Bound<Shape> {
  readonly body: number;
  readonly args: number;
  readonly items: (shape: Shape) => number;
}

export class CpuProgram<Shape> implements Program<Shape> {
  /** Bodies of a launch run side by side; launches one after another. */
  readonly launches: readonly (readonly Bound<Shape>[])[];
  /** Where the arguments lie. */
  readonly args: CpuBuffer;
  /** Commands of a step in which every body has something to do. */
  readonly most: number;

  constructor(launches: readonly (readonly Bound<Shape>[])[], args: CpuBuffer) {
    this.launches = launches;
    this.args = args;
    this.most = launches.reduce((sum, bodies) => sum + bodies.length, 0);
  }

  count(shape: Shape): number {
    let count = 0;
    for (const bodies of this.launches) if (anyItems(bodies, shape)) count++;
    return count;
  }
}

function anyItems<Shape>(bodies: readonly Bound<Shape>[], shape: Shape): boolean {
  for (const { items } of bodies) if (items(shape) > 0) return true;
  return false;
}

/** What a launch's arguments come to: one list of bodies, each with the words of its arguments. */
export function bindLaunch<Shape>(
  { kernel, facts, views }: Launch<Shape>,
  table: ArgumentTable,
): { body: CpuBody<Shape>; words: Uint32Array<ArrayBuffer> }[] {
  const bodies = kernel.cpu?.(facts);
  if (bodies === undefined) throw new MoloraError("internal", `${kernel.name} has no CPU body`);
  const constants = kernel.constants(facts);
  return bodies.map((body) => {
    const fields = table[body.body];
    if (fields === undefined) throw new MoloraError("internal", `${kernel.name}: the module has no ${body.body}`);
    const words = new Uint32Array(fields.length);
    for (let i = 0; i < fields.length; i++) {
      const [name, type] = fields[i];
      // Constants that this variant of a kernel has no use for are 0.
      if (type === "usize") words[i] = addressOf(views[name]);
      else words[i] = constantWord(kernel.name, name, type, body.constants?.[name] ?? constants[name] ?? 0);
    }
    return { body, words };
  });
}

/** Absent views are null. */
function addressOf(view: View | undefined): number {
  return view === undefined ? 0 : (view.buffer as CpuBuffer).address + view.offset;
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

function constantWord(kernel: string, name: string, type: string, constant: number | boolean): number {
  const value = Number(constant);
  if (!Number.isFinite(value)) throw new RangeError(`${kernel}: ${name} is ${value}`);
  if (type !== "f32") return value >>> 0;
  float[0] = value;
  return floatBits[0];
}

/** Chunks that each thread takes of a launch, so that one that is held up is helped by the others. */
const CHUNKS_A_THREAD = 4;

/** Words of the commands that a step of this shape runs. */
export function commandsOf<Shape>(
  programs: readonly CpuProgram<Shape>[],
  shape: Shape,
  threads: number,
): Uint32Array<ArrayBuffer> {
  const most = programs.reduce((sum, program) => sum + program.most, 0);
  const words = new Uint32Array(most * COMMAND_WORDS);
  let end = 0;
  for (const { launches } of programs) {
    for (const bodies of launches) {
      const begin = end;
      for (const { body, args, items } of bodies) {
        const count = items(shape);
        if (count === 0) continue;
        words[end + COMMAND.body] = body;
        words[end + COMMAND.args] = args;
        words[end + COMMAND.items] = count;
        words[end + COMMAND.chunk] = Math.ceil(count / (threads * CHUNKS_A_THREAD));
        end += COMMAND_WORDS;
      }
      if (end === begin) continue;
      const single = end === begin + COMMAND_WORDS && words[begin + COMMAND.items] === 1;
      if (single && begin > 0) words[begin + COMMAND.alone] = 1;
      words[end - COMMAND_WORDS + COMMAND.barrier] = 1;
    }
  }
  return words.subarray(0, end);
}
