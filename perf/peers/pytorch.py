"""PyTorch with PEFT as one of the compared: the checkpoint's dequantised weights in f32, a mixed batch by `adapter_names`.

Usage: python perf/peers/pytorch.py MODEL.gguf THREADS ADAPTERS; torch, transformers, peft and gguf installed."""
import json
import os
import sys
import time

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

READ, DECODED, TOGETHER, SHORT_PROMPT, TOGETHER_DECODED, CROWD = 256, 64, 8, 8, 32, 32  # perf/peers/work.ts
path, threads, adapters = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)
names = [f"v{i}" for i in range(TOGETHER)]


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def prompts(rows, tokens):
    return torch.randint(20, 4020, (rows, tokens))


begun = time.perf_counter()
base = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32
).eval()
loaded = {"loadMs": 1000 * (time.perf_counter() - begun), "residentMB": resident_mb()}
model = PeftModel.from_pretrained(base, os.path.join(adapters, names[0]), adapter_name=names[0])
for name in names[1:]:
    model.load_adapter(os.path.join(adapters, name), adapter_name=name)
model.eval()


@torch.inference_mode()
def generate(ids, count, adapter_names):
    """Greedy, with a KV cache; returns when the first token came."""
    out = model(ids, use_cache=True, logits_to_keep=1, adapter_names=adapter_names)
    token, first = out.logits[:, -1:].argmax(-1), time.perf_counter()
    for _ in range(count - 1):
        out = model(token, past_key_values=out.past_key_values, use_cache=True, adapter_names=adapter_names)
        token = out.logits[:, -1:].argmax(-1)
    return first


def measure():
    start = time.perf_counter()
    first = generate(prompts(1, READ), 1 + DECODED, ["__base__"])
    end = time.perf_counter()
    generate(prompts(TOGETHER, SHORT_PROMPT), TOGETHER_DECODED, names)
    return {
        "prefill": READ / (first - start),
        "decode": DECODED / (end - first),
        "together": TOGETHER * TOGETHER_DECODED / (time.perf_counter() - end),
    }


def crowd():
    generate(prompts(CROWD, READ), TOGETHER_DECODED, [names[i % TOGETHER] for i in range(CROWD)])
    return {"residentMB": resident_mb()}


print(json.dumps(loaded), flush=True)
for asked in sys.stdin:
    print(json.dumps(measure() if asked.strip() == "round" else crowd()), flush=True)
