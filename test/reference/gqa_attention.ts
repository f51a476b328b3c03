// In cli/check/reference/, with which `molora doctor --check` shows the same on any machine.

export * from "../../cli/check/reference/gqa_attention.ts";
