# PEFT folders of a Llama-like base as adapters of llama.cpp: one GGUF file each, as its convert_lora_to_gguf.py writes them.
# Usage: python gguf_adapters.py FOLDERS HEADS KV_HEADS OUT

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down"}


def interleaved(b: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q and k in the order that GGUF's Llama has them: pairs (i, i + half) side by side."""
    return b.reshape(heads, 2, -1, b.shape[1]).swapaxes(1, 2).reshape(b.shape)


folders, heads, kv_heads, out = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
out.mkdir(parents=True, exist_ok=True)
for folder in sorted(path for path in folders.iterdir() if (path / "adapter_config.json").exists()):
    config = json.loads((folder / "adapter_config.json").read_text())
    writer = gguf.GGUFWriter(out / f"{folder.name}.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        path = name.removeprefix("base_model.model.model.layers.")
        layer, rest = path.split(".", 1)
        module, side = rest.removesuffix(".weight").rsplit(".", 1)
        if side == "lora_B" and module.endswith(("q_proj", "k_proj")):
            tensor = interleaved(tensor, heads if module.endswith("q_proj") else kv_heads)
        writer.add_tensor(f"blk.{layer}.{NAMES[module]}.weight.{side.lower()}", np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
