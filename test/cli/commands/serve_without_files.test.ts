// A server that may open no file any more, on the CPU.

import { test } from "node:test";
import { answersWithoutFiles } from "./without_files.ts";

test("every kind of request is answered for the first time", { skip: process.platform !== "linux" }, () =>
  answersWithoutFiles("cpu"),
);
