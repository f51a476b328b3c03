// `molora score`: the loss of given texts under each use, row by row and by domain.
// training/data/ renders the rows, training/evaluation/ scores them.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { Engine } from "../../node/index.ts";
import type { TokenLogprob } from "../../proto/api.ts";
import { MAX_LOGPROBS } from "../../proto/contract.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type RenderedRow, renderRow } from "../../training/data/render.ts";
import type { Row } from "../../training/data/rows.ts";
import {
  addLoss,
  bitsPerByte,
  type Loss,
  lossByDomain,
  rowLoss,
  type ScoreJob,
  scoreAll,
} from "../../training/evaluation/score_rows.ts";
import { defineCommand } from "../command.ts";
import { USE_FLAG } from "../flags/common_flags.ts";
import { integer, list, toggle } from "../flags/flags.ts";
import { LOAD_FLAGS, loadEngine, routingOf } from "../load.ts";
import { Progress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";
import { readRows } from "../training/data_file.ts";

/** What `score --json` prints of one row under one use. */
interface ScoredRow extends Loss {
  use: string;
  /** 0-based, in the order of the data. */
  row: number;
  domain?: string;
  ids?: number[];
  /** [t] is the natural log-probability of ids[t + 1]. */
  logprobs?: number[];
  /** [t] says whether ids[t + 1] counts in `tokens` and `nll`. */
  counted?: boolean[];
  /** [t]: the likeliest tokens in place of ids[t + 1], best first. */
  top?: TokenLogprob["top"][];
}

interface ScoreTotal {
  use: string;
  /** "all": every row. */
  domain: string;
  tokens: number;
  nll: number;
  bits_per_byte: number;
}

/** The name under which all rows are summed; a domain of that name could not be told from it. */
const ALL = "all";

export const command = defineCommand({
  name: "score",
  summary: "The loss of given text: negative log-likelihood and bits per byte, per row and domain",
  details: `
Rows, one JSON object a line, each with "domain" where it has one:
  {"text"}                    every token counts but the first; encoded as transformers' tokenizer(text) does
  {"prompt", "completion"}    rendered by the chat template; the completion and its end-of-turn token count
  {"messages"}                the same for each assistant's turn
  {"segments": [{"domain", "text"}…]}   one text, joined by newlines

Several --use are scored in one run:
  molora score --data valid.jsonl --use base --use math --use default --json
`,
  flags: {
    ...LOAD_FLAGS,
    ...USE_FLAG,
    data: list("FILE.jsonl", "Rows to score, .gz too"),
    raw: toggle("Join a prompt and its completion as they are, without the chat template; a text always is as it is"),
    perToken: toggle("With --json: each row's token ids and their log-probabilities"),
    top: integer("K", `With --per-token: the K likeliest tokens at each place, at most ${MAX_LOGPROBS}`, {
      min: 1,
      max: MAX_LOGPROBS,
    }),
    truncate: toggle("Cut rows that are longer than the context, instead of refusing them"),
  },
  async run({ flags, output, signal }) {
    const specs = flags.use.length > 0 ? [...new Set(flags.use)] : ["base"];
    if (flags.top !== undefined && !(flags.perToken && output.json)) {
      throw new MoloraError("bad_arguments", "--top goes with --per-token and --json");
    }
    const rows = await readAll(flags.data);
    const engine = await loadEngine(flags, output);
    try {
      const uses = specs.map((spec) => ({ spec, routing: routingOf(engine, spec) }));
      // An adapter may spell texts in another way than the base.
      const spelt = new Map<Tokenizer, RenderedRow[]>();
      const rendered = uses.map(({ routing }) => {
        const tokenizer = engine.tokenizerOf(routing);
        const known =
          spelt.get(tokenizer) ??
          rows.map((row) => fitted(renderRow(tokenizer, row, { raw: flags.raw }), row, engine, flags.truncate));
        spelt.set(tokenizer, known);
        return known;
      });
      const jobs = uses.flatMap(({ routing }, u) => rendered[u].map((row): ScoreJob => ({ row, routing })));
      const progress = new Progress("scoring tokens", (tokens) => tokens.toFixed(0), output.streams.stderr);
      const all = jobs.reduce((sum, { row }) => sum + row.ids.length, 0);
      let done = 0;
      const logprobs = await scoreAll(engine, jobs, { top: flags.top ?? 0, signal }, ({ row }) => {
        done += row.ids.length;
        progress.update(done, all);
      }).finally(() => progress.finish());

      const scored = jobs.map(({ row }, i): ScoredRow => {
        const index = i % rows.length;
        const { domain } = rows[index];
        return {
          use: specs[Math.floor(i / rows.length)],
          row: index,
          ...(domain === undefined ? {} : { domain }),
          ...rowLoss(row, logprobs[i]),
          ...(flags.perToken ? perToken(row, logprobs[i], flags.top) : {}),
        };
      });
      const totals = specs.flatMap((use, u) =>
        totalsOf(use, rendered[u], logprobs.slice(u * rows.length, (u + 1) * rows.length)),
      );
      output.print(shown(totals));
      output.result({ rows: scored, totals });
    } finally {
      await engine.close();
    }
  },
});

async function readAll(paths: readonly string[]): Promise<Row[]> {
  if (paths.length === 0) {
    throw new MoloraError("bad_arguments", "--data is missing", { remedy: "Give the rows: --data FILE.jsonl." });
  }
  const rows: Row[] = [];
  for (const path of paths) for await (const row of readRows(path)) rows.push(row);
  if (rows.length > 0) return rows;
  throw new MoloraError("data_invalid", `${paths.join(", ")}: there is no row`, { remedy: "Give at least one." });
}

/** The row, cut to the context where that is allowed. */
function fitted(row: RenderedRow, { where }: Row, engine: Engine, truncate: boolean): RenderedRow {
  const { contextLength } = engine;
  if (row.ids.length <= contextLength) return row;
  if (!truncate) {
    throw new MoloraError(
      "prompt_too_long",
      `${where} has ${row.ids.length} tokens, the context holds ${contextLength}`,
      { remedy: "Shorten the row, give --truncate to score its beginning, or raise --context where the model allows." },
    );
  }
  const tokenBytes = row.tokenBytes.slice(0, contextLength);
  return {
    ids: row.ids.slice(0, contextLength),
    counted: row.counted.slice(0, contextLength),
    domains: row.domains.slice(0, contextLength),
    tokenBytes,
    bytes: tokenBytes.reduce((sum, bytes) => sum + bytes, 0),
  };
}

function perToken(row: RenderedRow, logprobs: readonly TokenLogprob[], top: number | undefined): Partial<ScoredRow> {
  return {
    ids: row.ids,
    logprobs: logprobs.map(({ logprob }) => logprob),
    counted: row.counted.slice(1),
    ...(top === undefined ? {} : { top: logprobs.map((logprob) => logprob.top) }),
  };
}

/** One total for each domain, in order of first appearance, then the total of all rows. */
function totalsOf(use: string, rows: readonly RenderedRow[], logprobs: readonly TokenLogprob[][]): ScoreTotal[] {
  const byDomain = new Map<string, Loss>();
  const all: Loss = { tokens: 0, nll: 0, bytes: 0 };
  for (const [i, row] of rows.entries()) {
    addLoss(all, rowLoss(row, logprobs[i]));
    for (const [domain, loss] of lossByDomain(row, logprobs[i])) {
      if (domain === undefined) continue;
      const total = byDomain.get(domain) ?? { tokens: 0, nll: 0, bytes: 0 };
      byDomain.set(domain, total);
      addLoss(total, loss);
    }
  }
  byDomain.set(ALL, all);
  return [...byDomain].map(([domain, loss]) => ({
    use,
    domain,
    tokens: loss.tokens,
    nll: loss.nll,
    bits_per_byte: bitsPerByte(loss),
  }));
}

function shown(totals: readonly ScoreTotal[]): string {
  const rows = totals.map(({ use, domain, tokens, nll, bits_per_byte }) => [
    use,
    domain,
    String(tokens),
    nll.toFixed(2),
    (nll / Math.max(1, tokens)).toFixed(4),
    bits_per_byte.toFixed(4),
  ]);
  return table(["use", "domain", "tokens", "nll", "nats/token", "bits/byte"], rows);
}
