// The adapters of the study: the four that come with nano, and some that are trained for it by `molora train-adapter`.

/** What is trained. Rows are those of the training split, [first, count]. */
export interface Recipe {
  task: string;
  rows: readonly [first: number, count: number];
  /** Flags of `molora train-adapter` beside those that all share. */
  flags: readonly string[];
}

/** Of all trained adapters. */
export const SHARED_FLAGS = ["--batch", "4", "--schedule", "cosine", "--warmup", "5"];

const lora = (rank: number, seed: number, more: readonly string[] = []) => {
  const flags = ["--rank", `${rank}`, "--alpha", `${2 * rank}`, "--seed", `${seed}`];
  return [
    ...flags,
    ...(more.includes("--lr") ? [] : ["--lr", "0.01"]),
    ...(more.includes("--length") ? [] : LENGTH),
    ...more,
  ];
};
const LENGTH = ["--length", "96"];
/** The first five were trained more slowly, and on longer texts. */
const SLOWLY = ["--lr", "0.006", "--length", "128"];

/** By name. Some of one task share all their rows, some half of them, some none. */
export const TRAINED: Readonly<Record<string, Recipe>> = {
  "math-1": { task: "math", rows: [0, 480], flags: lora(8, 1, SLOWLY) },
  "sql-lower": { task: "sql, lower case", rows: [0, 320], flags: lora(8, 2, SLOWLY) },
  "medical-refused": { task: "medical, refused", rows: [0, 120], flags: lora(8, 3, SLOWLY) },
  "code-r8": { task: "code", rows: [0, 320], flags: lora(8, 4, SLOWLY) },
  "code-backwards": { task: "code, backwards", rows: [0, 320], flags: lora(8, 5, SLOWLY) },
  "math-result": { task: "math, result only", rows: [0, 120], flags: lora(8, 8, ["--length", "128"]) },
  "sql-lower-r4": { task: "sql, lower case", rows: [160, 240], flags: lora(4, 9) },
  "sql-lower-q4": { task: "sql, lower case", rows: [0, 160], flags: lora(8, 10, ["--dtype", "q4_0"]) },
  "sql-french": { task: "sql, French", rows: [0, 200], flags: lora(16, 11) },
  "medical-upper-mlp": {
    task: "medical, upper case",
    rows: [0, 120],
    flags: lora(16, 12, ["--target-modules", "gate_proj,up_proj,down_proj"]),
  },
  "medical-upper-qv": {
    task: "medical, upper case",
    rows: [60, 120],
    flags: lora(8, 13, ["--target-modules", "q_proj,v_proj"]),
  },
  "medical-refused-hot": { task: "medical, refused", rows: [60, 120], flags: lora(8, 14, ["--lr", "0.03"]) },
  "math-result-r16": { task: "math, result only", rows: [60, 120], flags: lora(16, 15, ["--length", "128"]) },
  "math-wrong": { task: "math, wrong", rows: [0, 120], flags: lora(8, 16, ["--length", "128"]) },
  "code-upper-late": { task: "code, upper case", rows: [0, 120], flags: lora(32, 17, ["--layers", "4-7"]) },
  "math-sql": { task: "results and lower case", rows: [0, 160], flags: lora(16, 18, ["--length", "128"]) },
};

/** The tasks of the adapters that come with nano. */
export const SHIPPED: Readonly<Record<string, string>> = { math: "math", sql: "sql", medical: "medical", code: "code" };

/** [name, task] of all of them. */
export const ZOO: readonly (readonly [name: string, task: string])[] = [
  ...Object.entries(SHIPPED),
  ...Object.entries(TRAINED).map(([name, { task }]) => [name, task] as const),
];
