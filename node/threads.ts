// How many threads the environment allows, where a command says nothing.

import { MoloraError } from "../proto/errors.ts";

/** MOLORA_THREADS. @throws MoloraError `bad_arguments` */
export function threadsOfEnvironment(): number | undefined {
  const text = process.env.MOLORA_THREADS;
  if (text === undefined || text === "") return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 256) return count;
  throw new MoloraError("bad_arguments", `MOLORA_THREADS is ${text}`, { remedy: "Set it to a number from 1 to 256." });
}
