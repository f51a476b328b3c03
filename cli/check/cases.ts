// Every case of `molora doctor --check`, kernel by kernel.

import type { KernelCase } from "./case.ts";
import { coreCases } from "./cases/cores.ts";
import { expertLoraCases } from "./cases/expert_lora.ts";
import { expertCases } from "./cases/experts.ts";
import { gateCases } from "./cases/gate.ts";
import { layerCases } from "./cases/layer.ts";
import { linearCases } from "./cases/linear.ts";
import { loraCases } from "./cases/lora.ts";
import { routingCases } from "./cases/routing.ts";
import { samplingCases } from "./cases/sampling.ts";
import { trainingAdapterCases } from "./cases/training_adapter.ts";
import { trainingLayerCases } from "./cases/training_layer.ts";
import { trainingRouterCases } from "./cases/training_router.ts";
import { wholeModelCase } from "./whole_model.ts";

export function allCases(): KernelCase[] {
  return [
    ...layerCases(),
    ...linearCases(),
    ...expertCases(),
    ...expertLoraCases(),
    ...loraCases(),
    ...coreCases(),
    ...routingCases(),
    ...gateCases(),
    ...samplingCases(),
    ...trainingLayerCases(),
    ...trainingAdapterCases(),
    ...trainingRouterCases(),
    wholeModelCase(),
  ];
}
