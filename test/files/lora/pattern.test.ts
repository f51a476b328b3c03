import assert from "node:assert/strict";
import { test } from "node:test";
import { Fields } from "../../../files/fields.ts";
import { Pattern } from "../../../files/lora/pattern.ts";
import { parsePeftConfig, rankAndScale } from "../../../files/lora/peft_config.ts";
import { isTargeted, modulePlaces } from "../../../files/lora/targets.ts";
import type { MoloraError } from "../../../proto/errors.ts";
import { SMALL } from "./synthetic.ts";

const PATH = "model.layers.1.self_attn.q_proj";

function configure(fields: Record<string, unknown>) {
  const whole = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["q_proj"], ...fields };
  return parsePeftConfig(new Fields(whole, "adapter_config.json", "config_invalid"));
}

function code(expected: string, message?: RegExp) {
  return (error: MoloraError) => {
    assert.equal(error.code, expected, error.message);
    if (message) assert.match(error.message, message);
    return true;
  };
}

// Expected values are those of Python's re.fullmatch.
test("patterns match whole paths as Python does", () => {
  const cases: [pattern: string, text: string, matches: boolean][] = [
    ["model\\.layers\\.1\\.self_attn\\.q_proj", PATH, true],
    [".*q_proj", PATH, true],
    ["q_proj", PATH, false],
    [".*\\.(q|v)_proj", PATH, true],
    [".*\\.(?:k|v)_proj", PATH, false],
    [".*\\.[qv]_proj", PATH, true],
    [".*\\.[^qv]_proj", PATH, false],
    [".*\\.[a-p]_proj", PATH, false],
    [".*layers\\.\\d+\\..*", PATH, true],
    [".*layers\\.\\d{2}\\..*", PATH, false],
    [".*layers\\.\\d{1,2}\\..*", PATH, true],
    [".*layers\\.[\\d]{1,}\\..*", PATH, true],
    ["^model.*proj$", PATH, true],
    ["x^", "x", false],
    ["$x", "x", false],
    ["\\bmodel\\b.*", PATH, true],
    ["mo\\bdel.*", PATH, false],
    ["mo\\Bdel.*", PATH, true],
    ["\\Amodel.*\\Z", PATH, true],
    ["(?P<all>.*)", PATH, true],
    ["", "", true],
    ["", "a", false],
    ["a|", "", true],
    ["a{2,3}", "aa", true],
    ["a{2,3}", "aaaa", false],
    ["a{,2}", "aa", true],
    ["a{x}", "a{x}", true],
    ["a?b*?c+", "bbc", true],
    ["[]a]+", "]a", true],
    ["[a-]+", "a-", true],
    ["\\w+\\s\\S", "ab c", true],
    ["(a|b)*", "abba", true],
    ["(a*)*", "aaa", true],
    ["(|a)+b", "aab", true],
    [
      "(?:.*?(?:vision|text).*?(?:attn|mlp).*?(?:q_proj|v_proj).*?)|(?:\\bmodel\\.layers\\.[\\d]{1,}\\.(?:self_attn|mlp)\\.(?:(?:q_proj|v_proj)))",
      PATH,
      true,
    ],
    // What LLaMA-Factory and ms-swift write for models of text and images.
    ["^(?!.*visual).*(?:q_proj|v_proj).*", PATH, true],
    ["^(?!.*self_attn).*(?:q_proj|v_proj).*", PATH, false],
    ["^(model(?=\\.).*\\.(q_proj|v_proj))$", PATH, true],
    ["^(mode(?=\\.).*\\.(q_proj|v_proj))$", PATH, false],
    ["^(model(?=\\.)(?!.*(lm_head|output|emb|wte|shared)).*)$", PATH, true],
    ["^(model(?=\\.)(?!.*(lm_head|q_proj|emb)).*)$", PATH, false],
    ["a(?=b)", "ab", false],
    ["a(?=b)b", "ab", true],
    ["(?=ab$)a.", "ab", true],
    ["(?!ab$)a.", "ab", false],
    ["(?=)a", "a", true],
    ["(?!)a", "a", false],
    ["(a(?=b|$)b?)+", "abab", true],
    ["(a(?=b|$)b?)+", "aab", false],
    ["(?!a)", "", true],
  ];
  for (const [pattern, text, matches] of cases) {
    assert.equal(new Pattern(pattern).matchesWhole(text), matches, `${pattern} on ${text}`);
  }
});

test("patterns that make backtracking matchers hang end at once", () => {
  const text = `model.layers.${"a".repeat(60)}`;
  for (const pattern of [
    "(a+)+$x",
    "(.*.*.*.*.*.*.*.*.*.*.*.*)*x",
    "((a*)*)*x",
    "(a|a)*x",
    "(){999999999}x",
    "(a(?=(a*)*x))*b",
  ]) {
    const started = performance.now();
    assert.equal(new Pattern(`.*${pattern}`).matchesWhole(text), false, pattern);
    assert.ok(performance.now() - started < 500, pattern);
  }
});

test("patterns that are wrong or not taken are refused", () => {
  for (const pattern of ["(", ")", "(a", "[a", "*a", "{2}a", "a**", "a{3,2}", "^*", "(?=a)*", "\\", "[b-a]"]) {
    assert.throws(() => new Pattern(pattern), code("config_invalid"), pattern);
  }
  for (const pattern of ["(?<=a)", "(?<!a)", "(?=a(?!b))", "(?i)a", "(a)\\1", "a*+", "a++", "(?P=a)", "\\x41"]) {
    assert.throws(() => new Pattern(pattern), code("adapter_unsupported"), pattern);
  }
  const large = ["(((a{99}){99}){99}){99}", "a".repeat(5000), `${"(".repeat(200)}a${")".repeat(200)}`, "(?=a{600})"];
  for (const pattern of large) assert.throws(() => new Pattern(pattern), code("adapter_unsupported"));
});

// PEFT 0.21 get_pattern_key: re.match(rf"(.*\.)?({key})$", path), the first key that matches.
test("rank_pattern and alpha_pattern are matched as PEFT does", () => {
  const cases: [pattern: string, path: string, matches: boolean][] = [
    ["q_proj", PATH, true],
    ["self_attn.q_proj", PATH, true],
    [PATH, PATH, true],
    ["^model.layers.1.self_attn.q_proj", PATH, true],
    ["^q_proj", PATH, false],
    ["proj", PATH, false],
    ["attn.q_proj", PATH, false],
    ["layers.1", PATH, false],
    ["layers\\.1\\..*", PATH, true],
    ["layers.1.self_attn.q_proj", "model.layers.11.self_attn.q_proj", false],
    ["1.self_attn.q_proj", "model.layers.11.self_attn.q_proj", false],
    ["(q|k)_proj", PATH, true],
    ["q_proj|k_proj", PATH, true],
  ];
  for (const [pattern, path, matches] of cases) {
    assert.equal(new Pattern(pattern).matchesSuffix(path), matches, `${pattern} on ${path}`);
  }
  const config = configure({
    r: 4,
    lora_alpha: 8,
    rank_pattern: { "layers.0.self_attn.q_proj": 2, q_proj: 16 },
    alpha_pattern: { "layers\\.\\d\\.mlp\\..*": 3 },
  });
  assert.deepEqual(rankAndScale(config, "model.layers.0.self_attn.q_proj"), { rank: 2, scale: 4 });
  assert.deepEqual(rankAndScale(config, "model.layers.1.self_attn.q_proj"), { rank: 16, scale: 0.5 });
  assert.deepEqual(rankAndScale(config, "model.layers.1.mlp.up_proj"), { rank: 4, scale: 0.75 });
  const stabilised = configure({ r: 16, lora_alpha: 8, use_rslora: true, rank_pattern: { k_proj: 4 } });
  assert.deepEqual(rankAndScale(stabilised, "model.layers.0.self_attn.q_proj"), { rank: 16, scale: 2 });
  assert.deepEqual(rankAndScale(stabilised, "model.layers.0.self_attn.k_proj"), { rank: 4, scale: 4 });
});

test("target_modules, exclude_modules and layers_to_transform select modules as PEFT does", () => {
  const all = modulePlaces(SMALL).length;
  const cases: [fields: Record<string, unknown>, selected: number | string[]][] = [
    [{ target_modules: "all-linear" }, all],
    [{ target_modules: "ALL-LINEAR" }, all],
    [{ target_modules: ".*" + "_proj" }, all],
    [{ target_modules: ["q_proj"] }, ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]],
    [{ target_modules: ["1.self_attn.q_proj", "absent"] }, [PATH]],
    [{ target_modules: ["proj"] }, []],
    [{ target_modules: "q_proj" }, []],
    [{ target_modules: ".*1.*q_proj" }, [PATH]],
    [{ target_modules: ["q_proj"], layers_to_transform: 1 }, [PATH]],
    [{ target_modules: ["q_proj"], layers_to_transform: [1, 9] }, [PATH]],
    [{ target_modules: ["q_proj"], layers_to_transform: [] }, 2],
    [{ target_modules: ["q_proj"], layers_to_transform: [1], layers_pattern: "layers" }, [PATH]],
    [{ target_modules: ["q_proj"], layers_to_transform: [1], layers_pattern: ["blocks", "layers"] }, [PATH]],
    [{ target_modules: ["q_proj"], layers_to_transform: [1], layers_pattern: "blocks" }, []],
    [{ target_modules: [PATH], layers_to_transform: [0] }, [PATH]],
    [{ target_modules: ["q_proj"], exclude_modules: ["0.self_attn.q_proj"] }, [PATH]],
    [{ target_modules: "all-linear", exclude_modules: ".*layers\\.0\\..*" }, 7],
    [{ target_modules: "all-linear", exclude_modules: ["mlp"] }, all],
  ];
  for (const [fields, selected] of cases) {
    const { targets } = configure(fields);
    const found = modulePlaces(SMALL)
      .map(({ path }) => path)
      .filter((path) => isTargeted(targets, path));
    const label = JSON.stringify(fields);
    if (typeof selected === "number") assert.equal(found.length, selected, label);
    else assert.deepEqual(found, selected, label);
  }
});

test("what is not served is refused by name", () => {
  const cases: [fields: Record<string, unknown>, name: RegExp][] = [
    [{ peft_type: "ADALORA" }, /ADALORA/],
    [{ bias: "some" }, /bias: some/],
    [{ modules_to_save: ["score"] }, /modules_to_save: score/],
    [{ layer_replication: [[0, 2]] }, /layer_replication/],
    [{ use_qalora: true }, /use_qalora/],
    [{ use_bdlora: { nblocks: 2 } }, /use_bdlora/],
    [{ arrow_config: { top_k: 2 } }, /arrow_config/],
    [{ kasa_config: { beta: 1 } }, /kasa_config/],
    [{ something_new_config: { beta: 1 } }, /something_new_config/],
    [{ monteclora_config: { buffer_size: 1 } }, /monteclora_config/],
    [{ use_something_new: true }, /use_something_new/],
    [{ init_lora_weights: "pissa_niter_16" }, /pissa_niter_16/],
    [{ init_lora_weights: "loftq" }, /loftq/],
  ];
  for (const [fields, name] of cases) {
    assert.throws(() => configure(fields), code("adapter_unsupported", name), JSON.stringify(fields));
  }
});

test("absent fields have PEFT's defaults", () => {
  const { rank, alpha, rsLora, fanInFanOut } = configure({ r: undefined, lora_alpha: undefined });
  assert.deepEqual([rank, alpha, rsLora, fanInFanOut], [8, 8, false, false]);
  assert.equal(configure({ fan_in_fan_out: true }).fanInFanOut, true);
});

test("fields of the wrong kind are refused, harmless ones pass", () => {
  const wrong: Record<string, unknown>[] = [
    { peft_type: undefined },
    { r: 0 },
    { r: 2.5 },
    { r: "8" },
    { lora_alpha: "16" },
    { use_rslora: "yes" },
    { target_modules: undefined },
    { target_modules: 3 },
    { target_modules: ["q_proj", 3] },
    { target_modules: "(" },
    { rank_pattern: [8] },
    { rank_pattern: { q_proj: -1 } },
    { alpha_pattern: { q_proj: null } },
    { layers_to_transform: "1" },
    { layers_to_transform: [-1] },
    { layers_pattern: "layers" },
    { target_modules: ".*q_proj", layers_to_transform: [1] },
  ];
  for (const fields of wrong) {
    assert.throws(() => configure(fields), code("config_invalid"), JSON.stringify(fields));
  }
  const harmless = {
    bias: "none",
    init_lora_weights: "gaussian",
    use_dora: false,
    modules_to_save: [],
    eva_config: {},
  };
  assert.equal(configure({ ...harmless, lora_alpha: 2.5, lora_dropout: 0.1, unsloth_fixed: true }).alpha, 2.5);
});
