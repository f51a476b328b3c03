// The parts of an engine and how they fit: the base on its device, adapters by name, and the loop that steps.

import type { Adapter } from "../files/lora/adapter.ts";
import type { GenerationDefaults } from "../files/model_files/generation.ts";
import type { MoloraError } from "../proto/errors.ts";
import { type ActivationForm, QUANTISED_FORMATS } from "../shaders/formats/device_format.ts";
import { Catalogue } from "./adapters/catalogue.ts";
import { Demand } from "./adapters/demand.ts";
import { Keeper } from "./adapters/keeper.ts";
import { Library } from "./adapters/library.ts";
import { Bank } from "./adapters/placement.ts";
import { Registry } from "./adapters/registry.ts";
import { settleAdapter } from "./adapters/settle.ts";
import { Shelf } from "./adapters/shelf.ts";
import { Vocabularies } from "./adapters/vocabularies.ts";
import type { BackboneUse } from "./backbones.ts";
import type { Device } from "./device/device.ts";
import { unmoved } from "./device/part.ts";
import type { Host } from "./host.ts";
import type { PagePool } from "./memory/page_pool.ts";
import type { Residency } from "./memory/residency.ts";
import { Usage } from "./memory/usage.ts";
import { baseOver } from "./model/base.ts";
import { activationForm, Forward } from "./model/forward.ts";
import type { ModelWeights } from "./model/weights.ts";
import { type EngineOptions, settleSizes } from "./options.ts";
import type { AdmissionParts } from "./requests/admission.ts";
import { agreementSettings } from "./requests/agreement_group.ts";
import { AgreementWatch } from "./requests/agreement_watch.ts";
import { Counters } from "./requests/counters.ts";
import { Loop } from "./requests/loop.ts";
import { Prompts } from "./requests/prompt.ts";
import { RoutingShares } from "./requests/shares.ts";
import { Grammars } from "./sampling/grammar.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { InFlight } from "./step/in_flight.ts";
import { Runner } from "./step/runner.ts";

export interface EngineParts {
  admission: AdmissionParts;
  prompts: Prompts;
  library: Library;
  catalogue: Catalogue;
  registry: Registry;
  shelf: Shelf;
  demand: Demand;
  loop: Loop;
  counters: Counters;
  pages: PagePool;
  residency: Residency;
  shares: RoutingShares;
  watch: AgreementWatch;
  grammars: Grammars;
  /** The base, and this engine's part of its device. */
  use: BackboneUse;
  device: Device;
  forward: Forward;
  samplingDefaults: GenerationDefaults;
}

/** Puts everything that serves a base together, on a part of its device. */
export function assemble(host: Host, use: BackboneUse, options: EngineOptions): EngineParts {
  const { part: device, backbone } = use;
  const { files, tokenizer, weights } = backbone;
  const { config } = files;
  const { scheduler: schedulerOptions, ...sizes } = settleSizes(options, config, device);
  const { capacity, contextLength } = sizes;
  const model = baseOver(device, { config, weights }, sizes, new Usage(options.eviction));
  const { views, inputs, pages, residency } = model;

  const bank = new Bank(model.pool, residency);
  const catalogue = new Catalogue();
  const usage = new Usage(options.eviction);
  const scheduler = new Scheduler(schedulerOptions, pages, residency);
  const activations = activationForm(device, config, options.activations);
  const forward = new Forward(device, views, activations);
  const dtype = options.dtype ?? "auto";
  const vocabularies = new Vocabularies({ device, tensors: files.tensors, dtype, forward, views, inputs });
  const registry: Registry = new Registry({
    onHold: (generation) => shelf.held(generation),
    onRelease(generation) {
      const { key } = generation;
      bank.remove(key);
      vocabularies.remove(key);
      watch.forget(key);
      shelf.left(generation);
    },
    onIdle: () => shelf.released(),
  });
  const shelf = new Shelf({ registry, catalogue, usage, budget: options.hostCacheBytes });
  const inFlight = new InFlight(schedulerOptions.runAhead);
  const runner = new Runner(device, { views, inputs, forward, bank, vocabularies });

  const shares = new RoutingShares();
  const counters = new Counters();
  const { agreementDrop: drop, agreementWindow: window } = options;
  const settings = agreementSettings({
    ...(drop === undefined ? {} : { drop }),
    ...(window === undefined ? {} : { window }),
  });
  const watch = new AgreementWatch(config.numLayers, registry, settings);
  const observers = [counters, shares, ...(settings.drop > 0 ? [watch] : [])];
  const revive = async (error: MoloraError) => {
    options.onDeviceLost?.(error);
    await use.revive();
    model.rewrite();
    await vocabularies.rewrite();
    counters.revivals++;
  };
  const loop = new Loop({ scheduler, runner, inFlight, observers, revive });
  const base = { kind: "base", name: options.model, hash: files.hash } as const;
  const { entries } = capacity;
  const admission = { config, contextLength, entries, base, tokenizer, registry, bank, scheduler };
  const settle = (adapter: Adapter) => unmoved(device, () => settleAdapter(model, adapter));
  const keeper = new Keeper({ capacity, registry, bank, vocabularies, catalogue, shelf });
  const reading = { config, capacity, dtype: sizes.adapterDtype, tokenizer, settle };
  const library = new Library({
    host,
    ...reading,
    activations: gatesMeet(activations, weights),
    registry,
    catalogue,
    shelf,
    keeper,
  });
  const maxWaiting = schedulerOptions.maxQueue;
  const demand = new Demand({ registry, library, shelf, usage, sources: host.sources, maxWaiting });
  const spelt = { tokenizer, vocabSize: config.vocabSize, room: capacity.vocabulary };
  const grammars = new Grammars({ open: host.openGrammarThread, ...spelt });
  const { chatTemplateKwargs } = options;
  const prompts = new Prompts({ ...admission, ...(chatTemplateKwargs && { chatTemplateKwargs }) });
  const names = { library, catalogue, registry, shelf, demand };
  const running = { loop, counters, pages, residency, shares, watch, use, device, forward };
  return { admission, prompts, grammars, ...names, ...running, samplingDefaults: files.generation };
}

/** What routers' gates are multiplied by: int8 where the layers that read the same input are, else what is exact. */
function gatesMeet(activations: ActivationForm, { layers }: ModelWeights): ActivationForm {
  const rounded = layers.every(({ qkv }) => qkv.shards.every(({ format }) => QUANTISED_FORMATS.has(format)));
  return rounded ? activations : "f32";
}
