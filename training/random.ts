// Random numbers for training: those that adapters are merged by, too.

export { Random } from "../composition/random.ts";
