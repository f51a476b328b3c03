// The segments kernel: every entry with an adapter in exactly one tile, in stable order, tiles of one adapter each.

import assert from "node:assert/strict";
import { ENTRIES, listsOf, mostEntries, SKEWS, tableOf } from "../../../cli/check/cases/adapters.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import { launch } from "../../../shaders/kernel.ts";
import { MAX_SORT, segments, TILE_ENTRIES, tileBound } from "../../../shaders/lora/segments.ts";
import { onEachDevice, run } from "../device.ts";
import { Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

const ADAPTERS = 10;
const ADDRESSES = Array.from({ length: ADAPTERS }, (_, a) => 1000 - 90 * a);

for (const sort of [80 * ENTRIES, MAX_SORT]) {
  for (const skew of SKEWS) {
    const check = async (device: Device) => {
      for (const tokens of sort === MAX_SORT ? [480] : [1, 2, 7, 33, 65, 80]) {
        const lists = listsOf(skew, tokens, ADAPTERS);
        const entries = mostEntries(lists);
        const used = lists.flatMap((list, t) => list.map(({ adapter }, j) => ({ adapter, at: t * ENTRIES + j })));
        const adapters = new Set(used.map(({ adapter }) => adapter).filter((adapter) => adapter !== undefined)).size;
        const shape = stepShape({ tokens, sequences: 1, entries, maxRank4: 1, adapters });
        const bound = tileBound(shape);
        const order = new Output(device, tokens * entries);
        const tiles = new Output(device, 4 * bound);
        const count = new Output(device, 1);
        const step = stepUniform(device, shape);
        const table = allocateFrom(device, "table", tableOf(lists, ADDRESSES));
        const views = { step, table, order: order.view, tiles: tiles.view, tile_count: count.view };
        await run(device, [launch(segments, { entries: ENTRIES, sort }, views)], shape);
        if (entries === 0) continue;

        // Stable: by address, then as they stand in the table.
        const expected: [address: number, members: number[]][] = ADDRESSES.toSorted((a, b) => a - b).map((address) => [
          address,
          used.filter(({ adapter }) => adapter !== undefined && ADDRESSES[adapter] === address).map(({ at }) => at),
        ]);
        const cut = expected.flatMap(([address, members]) =>
          Array.from({ length: Math.ceil(members.length / TILE_ENTRIES) }, (_, i) => ({
            address,
            members: members.slice(i * TILE_ENTRIES, (i + 1) * TILE_ENTRIES),
          })),
        );
        const places = await order.readWords();
        const words = await tiles.readWords();
        const [written] = await count.readWords();
        assert.ok(written <= bound);
        const actual = Array.from({ length: written }, (_, i) => {
          const [address, first, length] = words.subarray(4 * i);
          return { address, members: [...places.subarray(first, first + length)] };
        });
        assert.deepEqual(actual, cut);
      }
    };
    onEachDevice(`${skew}, room for ${sort} entries`, check, ["gpu"]);
  }
}
