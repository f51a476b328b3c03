// `molora diagnose`: what adapters' weights say about merging them, before anything is merged, and what texts say.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { adviceOn } from "../../composition/diagnose/advice.ts";
import { diagnose } from "../../composition/diagnose/diagnose.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { defineCommand } from "../command.ts";
import { diagnosisPage } from "../composition/diagnosis_page.ts";
import { diagnosisMarkdown } from "../composition/diagnosis_tables.ts";
import { MEASURE_FLAGS, readMeasuring } from "../composition/measure_flags.ts";
import { measureCompositions } from "../composition/measured.ts";
import { MODEL_FLAGS } from "../flags/common_flags.ts";
import { text } from "../flags/flags.ts";
import { openBase } from "../open_base.ts";
import { FetchBar } from "../terminal/fetch_bar.ts";
import { Progress } from "../terminal/progress.ts";
import { DATA_SHAPES } from "../training/labelled_data.ts";

export const command = defineCommand({
  name: "diagnose",
  summary: "Whether adapters can be merged, and how: signs, directions, weights, pair by pair, and the loss",
  details: `
From the weights alone, without a device. With --data it also merges in memory, by each --method with even weights, and
measures the loss of each adapter, merge, stack and mixture on texts of every domain. With --out it writes diagnosis.json,
diagnosis.md and diagnosis.html.
${DATA_SHAPES}

  molora diagnose --adapter math=adapters/math --adapter sql=adapters/sql --out diagnosis
  molora diagnose --data math=math.valid.jsonl --data sql=sql.valid.jsonl --method tsv --method knots --out diagnosis
`,
  flags: {
    model: MODEL_FLAGS.model,
    adapter: MODEL_FLAGS.adapter,
    out: text("DIR", "Where to write the page and the figures"),
    ...MEASURE_FLAGS,
  },
  async run({ flags, output, signal }) {
    const asked = readMeasuring(flags);
    const { files, preset } = await openBase(flags.model ?? "nano", output);
    const brought = flags.adapter.length === 0 ? Object.entries(preset?.adapters ?? {}) : [];
    const given = [...flags.adapter, ...brought.map(([name, path]) => ({ name, path }))];
    if (given.length < 2) {
      throw new MoloraError("bad_arguments", "one adapter alone has nothing to get in the way of", {
        remedy: "Give at least two: --adapter a=PATH --adapter b=PATH.",
      });
    }
    const host = nodeHost(new FetchBar(output.streams.stderr).update);
    const adapters = [];
    for (const { name, path } of given) adapters.push(await loadAdapter(name, await host.open(path), files.config));

    const progress = new Progress("measuring", (done) => `${done.toFixed(0)} matrices`, output.streams.stderr);
    const diagnosis = await diagnose(adapters, files.config, async (done, total) => {
      progress.update(done, total);
      await setImmediate(); // Ctrl-C is heard
      signal.throwIfAborted();
    }).finally(() => progress.finish());
    const advice = adviceOn(diagnosis);
    const mixture = flags.mixture ?? (brought.length > 0 ? preset?.mixtures.default : undefined);
    const measured = asked && (await measureCompositions(files, { ...asked, adapters, mixture, signal }, output));
    const markdown = diagnosisMarkdown(diagnosis, advice, measured);
    const whole = { advice, ...diagnosis, ...(measured === undefined ? {} : { measured }) };
    output.print(markdown);
    if (flags.out !== undefined) {
      await mkdir(flags.out, { recursive: true });
      await writeFile(join(flags.out, "diagnosis.json"), `${JSON.stringify(whole, undefined, 2)}\n`);
      await writeFile(join(flags.out, "diagnosis.md"), `${markdown}\n`);
      await writeFile(join(flags.out, "diagnosis.html"), diagnosisPage(diagnosis, advice, measured));
    }
    output.result(whole);
  },
});
