// The embedded nano (Q8_0) against transformers and PEFT on the same weights.

import { onEachHost } from "./each_device.ts";
import { checkLogprobs, openEngine, readFixture } from "./parity.ts";
import { checkNano, nanoFolders } from "./parity_cases.ts";

onEachHost("embedded nano equals transformers and PEFT on the same weights", checkNano, ["cpu"]);

onEachHost(
  "embedded nano with int8 activations: close to the same numbers",
  async (device) => {
    const fixture = await readFixture("nano_q8");
    const uses = fixture.uses.filter(({ kind }) => kind !== "routed");
    const options = { model: "models/nano", activations: "q8", ...device } as const;
    const engine = await openEngine(fixture, nanoFolders("models/nano"), options);
    const worst = await checkLogprobs(engine, fixture, uses, 0.4);
    await engine.close();
    console.log(`largest error ${worst.toFixed(3)} nats`);
  },
  ["cpu"],
);
