// A server that may open no file any more, on the GPU; slow where a processor stands in for one.

import { test } from "node:test";
import { hasGpu } from "../../engine/each_device.ts";
import { answersWithoutFiles } from "./without_files.ts";

test("every kind of request is answered for the first time", { skip: process.platform !== "linux" }, async (t) => {
  if (!(await hasGpu())) return t.skip("no WebGPU adapter on this machine");
  await answersWithoutFiles("gpu");
});
