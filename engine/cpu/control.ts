// The words of shared memory by which the device and its threads talk: a list of commands, whose turn it is, who is done.

/** Where the control words begin, in bytes; nothing else lies in the first kilobyte. */
export const CONTROL_BYTES = 1024;

/** Words of the control block. Those that many threads write stand a cache line apart. */
export const CONTROL = {
  /** Counts the lists that were handed out; threads sleep on it. */
  turn: 16,
  /** Address of the list, and its commands. */
  list: 17,
  commands: 18,
  /** 1: threads end when they next wake. */
  quit: 19,
  /** Threads that have arrived at the barrier, and how often it has opened. */
  arrived: 32,
  opened: 48,
  /** Counts the lists that are done; the device waits on it. */
  done: 64,
  /** 1 + the thread that failed first in this list; 0: none. */
  failed: 80,
} as const;

/** Words of a command. */
export const COMMAND = {
  /** Index of the function among the module's kernels. */
  body: 0,
  /** Address of its arguments. */
  args: 1,
  items: 2,
  /** Items taken at a time. */
  chunk: 3,
  /** The next item that no thread has taken. */
  next: 4,
  /** 1: nobody goes on before all threads have come this far. */
  barrier: 5,
  /** 1: one item, which the last thread at the barrier before it computes while the others wait there. */
  alone: 6,
} as const;
export const COMMAND_WORDS = 8;
