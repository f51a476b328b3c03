// The manifests hold to Kubernetes' schemas. MOLORA_KUBERNETES_PYTHON names a Python that has kubernetes-validate already.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { pythonWith } from "../python_venv.ts";

test("every manifest fits its schema, and a slip would be found", { timeout: 600_000 }, async (t) => {
  const given = process.env.MOLORA_KUBERNETES_PYTHON;
  const python = given || (await pythonWith(t, "kubernetes", ["test/deploy/requirements.txt"]));
  if (python === undefined) return;
  const { stdout } = await promisify(execFile)(python, ["test/deploy/kubernetes_check.py"]);
  for (const kind of ["Deployment", "Service", "PodMonitor", "InferencePool"]) assert.match(stdout, new RegExp(kind));
});
