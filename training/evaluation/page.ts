// A report as one self-contained HTML page.
import type { EvaluationReport } from "./report.ts";

export function toPage(report: EvaluationReport): string {
  return report.headline;
}
