// Where adapters and routers lie on a real device, before and after their first use, and when they move.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import type { LoadedAdapter, LoadedMixture } from "../../../engine/adapters/generation.ts";
import { packAdapter } from "../../../engine/adapters/pack_adapter.ts";
import { Bank } from "../../../engine/adapters/placement.ts";
import { Registry } from "../../../engine/adapters/registry.ts";
import { type Device, readView } from "../../../engine/device/device.ts";
import { subView } from "../../../engine/device/memory.ts";
import { DevicePool } from "../../../engine/memory/device_pool.ts";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { Residency } from "../../../engine/memory/residency.ts";
import { nodeHost } from "../../../node/host.ts";
import { atOnce } from "../../at_once.ts";
import { adapterOf, loraModule, SMALL } from "../../files/lora/synthetic.ts";

const PAGES = 64;
const device: Device = await nodeHost().openDevice({ device: "cpu", threads: 1 });
after(() => device.close());

let pages: PagePool;
let pool: DevicePool;
let residency: Residency;
let bank: Bank;
let registry: Registry;

beforeEach(() => {
  pages = new PagePool(PAGES);
  pool = new DevicePool(device, SMALL, PAGES);
  residency = new Residency(pages);
  bank = new Bank(pool, residency);
  registry = new Registry({ onRelease: (generation) => bank.remove(generation.key) });
});

function adapter(name: string, rank = 4): LoadedAdapter {
  const layer = { q_proj: loraModule("q_proj", rank, 1) };
  const loaded = registry.addAdapter(atOnce(packAdapter(adapterOf(name, [layer, layer]))));
  bank.add(loaded);
  return loaded;
}

function mixture(...experts: LoadedAdapter[]): LoadedMixture {
  const loaded = registry.addMixture(
    {
      name: "m",
      hash: "m",
      baseModel: { architecture: "LlamaForCausalLM", hiddenSize: SMALL.hiddenSize, numLayers: SMALL.numLayers },
      experts: experts.map(({ name }) => ({ name, adapter: name, sha256: undefined })),
      router: { type: "uniform", topK: 1, gate: "unit", temperature: 1 },
    },
    experts.map((expert) => expert.adapter),
  );
  bank.add(loaded);
  return loaded;
}

async function words(layer: number, page: number, count: number): Promise<number[]> {
  return [...new Float32Array(await readView(device, subView(pool.layers[layer], page * pool.pageBytes, 4 * count)))];
}

async function assertWritten({ key, adapter }: LoadedAdapter): Promise<void> {
  for (const [layer, run] of adapter.runs.entries()) {
    assert.deepEqual(await words(layer, residency.firstPage(key)!, run.length), [...run], `${key}, layer ${layer}`);
  }
}

/** The experts' addresses as the router on the device has them. */
async function routed({ key, experts }: LoadedMixture, layer: number): Promise<number[]> {
  const run = await words(layer, residency.firstPage(key)!, 4 * (4 + experts.length));
  return experts.map((_, e) => run[4 * (4 + e)]);
}

const where = (...generations: LoadedAdapter[]) =>
  generations.map(({ key }) => pool.address(residency.firstPage(key)!));

test("what is placed ahead is on the device whole, idle, and gives way like anything idle", async () => {
  const [a, b] = [adapter("a"), adapter("b", 8)];
  const m = mixture(a, b);
  await bank.placeAhead(m);
  await assertWritten(a);
  await assertWritten(b);
  for (const layer of [0, 1]) assert.deepEqual(await routed(m, layer), where(a, b));
  assert.ok(residency.residents().every(({ pins }) => pins === 0));
  assert.equal(residency.acquire(bank.needs(m))!.placed.filter(({ fresh }) => fresh).length, 0);
  residency.release(bank.needs(m));
  assert.ok(residency.evictFor(pages.capacity));
  assert.equal(pages.free, pages.capacity);
});

test("a request that comes while its adapter is being placed ahead finds it whole", async () => {
  const a = adapter("a");
  const placing = bank.placeAhead(a);
  residency.acquire(bank.needs(a));
  bank.place({ kind: "fixed", entries: [{ key: a.key, weight: 1 }] });
  await assertWritten(a);
  await placing;
  await assertWritten(a);
});

test("nothing is placed ahead where more than half of the pool would be in use", async () => {
  for (let page = 0; page < PAGES / 2; page++) pages.takePage();
  await bank.placeAhead(adapter("a"));
  assert.deepEqual(residency.residents(), []);
});

test("what is unloaded while it is being placed ahead leaves its pages to others", async () => {
  const a = adapter("a");
  const placing = bank.placeAhead(a);
  registry.removeAdapter("a");
  const b = adapter("b");
  bank.upload(residency.acquire(bank.needs(b))!.placed);
  await placing;
  await assertWritten(b);
});

test("a router that stays while its expert moves is told where it lies now", async () => {
  const [a, b] = [adapter("a"), adapter("b")];
  const m = mixture(a, b);
  bank.upload(residency.acquire(bank.needs(m))!.placed);
  bank.place({ kind: "router", key: m.key });
  residency.release(bank.needs(m));
  const before = where(a, b);
  const needs = bank.needs(a);
  residency.drop(a.key); // as an eviction that spares the router does
  const other = pages.takeRun(needs[0].pages)!;
  bank.upload(residency.acquire(bank.needs(m))!.placed.filter(({ fresh }) => fresh)); // as a step's plan names them
  bank.place({ kind: "router", key: m.key });
  assert.notDeepEqual(where(a, b), before);
  for (const layer of [0, 1]) assert.deepEqual(await routed(m, layer), where(a, b));
  pages.release(other, needs[0].pages);
});
