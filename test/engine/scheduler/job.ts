// How a sequence of the scheduler's tests would be sampled: the scheduler hands it on and never looks.

import { resolveSampling } from "../../../engine/sampling/sampling.ts";
import type { Job } from "../../../engine/scheduler/job.ts";

export const JOB: Job = {
  sampling: resolveSampling({}),
  logprobs: undefined,
  promptLogprobs: undefined,
  trace: false,
  allowed: undefined,
};
