"""Harvest rate of HuggingFace transformers: SmolLM2 from its GGUF file, 16 rows of 128 tokens, stopping after block 11.

    python scripts/peers/bench_harvest_hf.py SmolLM2-135M-Instruct.Q4_1.gguf [f32|bf16] [calls] [threads]

The same shape as org.loupe.bench.HarvestBench; prints one JSON object.
"""
import json
import os
import sys
import time
from pathlib import Path

import torch
import transformers


class Stop(Exception):
    pass


def main(model_file, precision="f32", calls="5", threads=None):
    torch.set_num_threads(int(threads or os.cpu_count()))
    path = Path(model_file)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype).eval().model
    ids = torch.randint(0, model.config.vocab_size, (16, 128), generator=torch.Generator().manual_seed(0))

    def stop(_module, _inputs, _output):
        raise Stop

    model.layers[11].register_forward_hook(stop)
    seconds, cpu = [], []
    with torch.inference_mode():
        for _ in range(2 + int(calls)):
            start, start_cpu = time.perf_counter(), time.process_time()
            try:
                model(ids, use_cache=False)
            except Stop:
                pass
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - start_cpu)
    seconds, cpu = seconds[2:], cpu[2:]
    print(json.dumps({"bench": "harvest", "engine": "transformers " + transformers.__version__, "precision": precision,
                      "attention": model.config._attn_implementation, "threads": torch.get_num_threads(),
                      "tokens_per_second": round(ids.numel() * len(seconds) / sum(seconds)),
                      "tokens_per_second_best": round(ids.numel() / min(seconds)),
                      "tokens_per_cpu_second": round(ids.numel() * len(cpu) / sum(cpu))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
