#!/usr/bin/env python3
"""Times whole training steps of the Python peers, each through its own training step, on rows in memory.

Versions: torch 2.13.0, sae-lens 6.54.12, eai-sparsify 1.3.3, dictionary-learning 0.1.0, Python 3.11.
Usage:    python train_step.py sparsify|dictionary_learning|saelens ARCHITECTURE [--d 768] [--latents 24576] [--k 32] [--batch 4096] [--steps 3]
Prints one JSON object with the keys of `loupe bench train --json`.
"""
import argparse
import json
import os
import resource
import time

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "disabled"

import torch

COUNTED = ["topk", "batchtopk", "matryoshka"]
LONG_RUN = 100_000  # nominal length, so that schedules are flat over what is timed


def rows(count, d, generator):
    """Sums of 16 features out of 4 d, magnitudes uniform in [0, 1], noise 0.01: the data of `loupe bench train`."""
    dictionary = torch.nn.functional.normalize(torch.randn(4 * d, d, generator=generator), dim=1)
    out = 0.01 * torch.randn(count, d, generator=generator)
    for _ in range(16):
        which = torch.randint(0, 4 * d, (count,), generator=generator)
        out += torch.rand(count, 1, generator=generator) * dictionary[which]
    return out


def sparsify(a):
    from sparsify.config import SparseCoderConfig
    from sparsify.sparse_coder import SparseCoder

    sae = SparseCoder(a.d, SparseCoderConfig(num_latents=a.latents, k=a.k), device="cpu", dtype=torch.float32)
    adam = torch.optim.Adam(sae.parameters(), lr=2e-4 / (a.latents / 2**14) ** 0.5)
    silent = torch.zeros(a.latents, dtype=torch.long)

    def step(x):
        sae.set_decoder_norm_to_unit_norm()
        out = sae(x=x, y=x, dead_mask=None)
        out.fvu.backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        adam.step()
        adam.zero_grad()
        silent.add_(len(x))
        silent[out.latent_indices.flatten()] = 0

    return step


def dictionary_learning(a):
    from dictionary_learning import trainers
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer

    classes = {"topk": trainers.TopKTrainer, "batchtopk": trainers.BatchTopKTrainer, "matryoshka": MatryoshkaBatchTopKTrainer,
               "jumprelu": trainers.JumpReluTrainer, "relu": trainers.StandardTrainer, "gated": trainers.GatedSAETrainer}
    arguments = {"steps": LONG_RUN, "activation_dim": a.d, "dict_size": a.latents, "layer": 0, "lm_name": "", "device": "cpu", "seed": 0}
    if a.architecture in COUNTED:
        arguments["k"] = a.k
    if a.architecture == "matryoshka":
        arguments["group_fractions"] = [1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2]
    trainer = classes[a.architecture](**arguments)
    number = iter(range(LONG_RUN))
    return lambda x: trainer.update(next(number), x)


def saelens(a):
    import sae_lens
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    name = {"topk": "TopK", "batchtopk": "BatchTopK", "matryoshka": "MatryoshkaBatchTopK", "jumprelu": "JumpReLU", "relu": "Standard",
            "gated": "Gated"}[a.architecture]
    own = {"k": a.k} if a.architecture in COUNTED else {}
    if a.architecture == "matryoshka":
        own["matryoshka_widths"] = [a.latents // n for n in (16, 8, 4, 2, 1)]
    sae = getattr(sae_lens, name + "TrainingSAE")(
        getattr(sae_lens, name + "TrainingSAEConfig")(d_in=a.d, d_sae=a.latents, dtype="float32", device="cpu", **own))
    config = SAETrainerConfig(
        total_training_samples=a.batch * LONG_RUN, train_batch_size_samples=a.batch, lr=3e-4, lr_end=3e-4, device="cpu", autocast=False)
    trainer = SAETrainer(cfg=config, sae=sae, data_provider=iter([]))

    def step(x):
        trainer.maybe_reset_sparsity()
        trainer.step(x)
        trainer.n_training_steps += 1

    return step


def main():
    p = argparse.ArgumentParser()
    p.add_argument("peer", choices=["sparsify", "dictionary_learning", "saelens"])
    p.add_argument("architecture", choices=["topk", "batchtopk", "matryoshka", "jumprelu", "relu", "gated"])
    p.add_argument("--d", type=int, default=768)
    p.add_argument("--latents", type=int, default=24576)
    p.add_argument("--k", type=int, default=32)
    p.add_argument("--batch", type=int, default=4096)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    if a.peer == "sparsify" and a.architecture != "topk":
        p.error("sparsify is timed with topk alone")
    torch.set_num_threads(a.threads)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    data = rows(4 * a.batch, a.d, generator).split(a.batch)
    step = {"sparsify": sparsify, "dictionary_learning": dictionary_learning, "saelens": saelens}[a.peer](a)
    step(data[0])
    wall, cpu = [], []
    for i in range(a.steps):
        t, c = time.perf_counter(), time.process_time()
        step(data[(i + 1) % 4])
        wall.append(time.perf_counter() - t)
        cpu.append(time.process_time() - c)
    mean = sum(wall) / a.steps
    print(json.dumps({
        "peer": a.peer,
        "architecture": a.architecture,
        "ms_per_step": round(mean * 1e3, 1),
        "ms_per_step_min": round(min(wall) * 1e3, 1),
        "cpu_ms_per_step": round(sum(cpu) / a.steps * 1e3, 1),
        "tokens_per_second": round(a.batch / mean, 1),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))


if __name__ == "__main__":
    main()
