// Merging by other threads, as a host provides them: what they are asked, and what each of them answers.

export { type MergeCrew, mergedLora, type PlaceJob, type PlaceResult } from "../composition/merge/job.ts";
