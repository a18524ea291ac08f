#!/usr/bin/env python3
"""Trains SAEs of the Python peers on worlds of `loupe synth`, each by its own training step, and measures them as docs/metrics.md says.

Versions: torch 2.13.0, sae-lens 6.54.12, eai-sparsify 1.3.3, dictionary-learning 0.1.0, numpy 2.4.6, scipy 1.17.1, Python 3.11.
Usage:    python ground_truth.py saelens|dictionary_learning|sparsify ARCHITECTURE WORLD_FOLDER... [--seed 0] [--l0 5] [--passes 15]
          [--set KEY=VALUE]...
Prints one JSON object a world. --set goes over SETTINGS below and is only for finding them.
"""
import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "disabled"

import numpy as np
import torch
from safetensors.numpy import load_file
from scipy.optimize import linear_sum_assignment

LATENTS, BATCH = 512, 1024
RECOVERED = 0.9
PREFIXES = [LATENTS // 16, LATENTS // 8, LATENTS // 4, LATENTS // 2, LATENTS]
VERSIONS = {"saelens": "6.54.12", "dictionary_learning": "0.1.0", "sparsify": "1.3.3"}

# By architecture and wanted L0, found on the easy world with seed 0: of the learning rates 1e-3 (or the peer's own), 3e-3 and 8e-3 the one of the least FVU, the
# coefficients and target_l0, where a target does not give the L0 that is wanted, by trial. The rate falls over the last fifth, as Loupe's
# does and the peers' recipes advise; the warm-ups are shorter than dictionary_learning's 1,000 and 2,000 steps, which would be most
# of the run.
FALL, RISE = {"lr": 3e-3, "lr_decay_steps": 288}, {"decay_start": 1152, "warmup_steps": 72}
SETTINGS = {
    ("saelens", "topk", 5): FALL,
    ("saelens", "batchtopk", 5): FALL,
    ("saelens", "matryoshka", 5): FALL,
    ("saelens", "jumprelu", 5): {
        **FALL, "lr": 1e-3, "jumprelu_sparsity_loss_mode": "quadratic", "target_l0": 7.4, "l0_coefficient": 0.02},
    ("saelens", "relu", 5): {**FALL, "l1_coefficient": 0.88, "l1_warm_up_steps": 72},
    ("saelens", "relu", 29): {**FALL, "l1_coefficient": 0.127, "l1_warm_up_steps": 72},
    ("saelens", "gated", 5): {**FALL, "l1_coefficient": 0.79, "l1_warm_up_steps": 72},
    ("dictionary_learning", "topk", 5): RISE,
    ("dictionary_learning", "batchtopk", 5): {**RISE, "lr": 3e-3},
    ("dictionary_learning", "jumprelu", 5): {**RISE, "sparsity_warmup_steps": 72, "target_l0": 5.0, "lr": 1e-3},
    ("dictionary_learning", "relu", 5): {**RISE, "sparsity_warmup_steps": 72, "l1_penalty": 0.42, "lr": 3e-3},
    ("dictionary_learning", "relu", 29): {**RISE, "sparsity_warmup_steps": 72, "l1_penalty": 0.103, "lr": 3e-3},
    ("sparsify", "topk", 5): {"lr": 3e-3},
}


class World:
    def __init__(self, folder):
        folder = Path(folder)
        self.name = folder.name
        self.train = torch.from_numpy(load_file(folder / "train.safetensors")["rows"])
        self.eval = load_file(folder / "eval.safetensors")["rows"]
        truth = load_file(folder / "truth.safetensors")
        self.directions = truth["directions"].astype(np.float64)
        rows = np.repeat(np.arange(len(self.eval)), np.diff(truth["row_starts"]))
        self.fires = np.zeros((len(self.eval), len(self.directions)), bool)
        self.fires[rows, truth["indices"]] = truth["values"] != 0


def saelens(architecture, steps, l0, settings):
    import sae_lens
    from sae_lens import SAE
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    name = {"topk": "TopK", "batchtopk": "BatchTopK", "matryoshka": "MatryoshkaBatchTopK", "jumprelu": "JumpReLU", "relu": "Standard",
            "gated": "Gated"}[architecture]
    of_trainer = {k: settings[k] for k in settings if k.startswith("lr")}
    of_sae = {k: settings[k] for k in settings if k not in of_trainer}
    of_trainer["lr_end"] = of_trainer["lr"]
    if architecture in ("topk", "batchtopk", "matryoshka"):
        of_sae["k"] = l0
    if architecture == "matryoshka":
        of_sae["matryoshka_widths"] = PREFIXES
    config = getattr(sae_lens, name + "TrainingSAEConfig")(d_in=64, d_sae=LATENTS, dtype="float32", device="cpu", **of_sae)
    sae = getattr(sae_lens, name + "TrainingSAE")(config)
    trainer = SAETrainer(
        cfg=SAETrainerConfig(total_training_samples=BATCH * steps, train_batch_size_samples=BATCH, device="cpu", autocast=False, **of_trainer),
        sae=sae, data_provider=iter([]))

    def step(i, x):
        trainer.maybe_reset_sparsity()
        trainer.step(x)
        trainer.n_training_steps += 1

    def finish():
        with tempfile.TemporaryDirectory() as folder:
            sae.save_inference_model(folder)
            saved = SAE.load_from_disk(folder)
        return saved.encode, saved.decode, saved.W_dec

    return step, finish, 1.0


def dictionary_learning(architecture, steps, l0, settings):
    from dictionary_learning import trainers
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer

    classes = {"topk": trainers.TopKTrainer, "batchtopk": trainers.BatchTopKTrainer, "matryoshka": MatryoshkaBatchTopKTrainer,
               "jumprelu": trainers.JumpReluTrainer, "relu": trainers.StandardTrainer, "gated": trainers.GatedSAETrainer}
    arguments = {"steps": steps, "activation_dim": 64, "dict_size": LATENTS, "layer": 0, "lm_name": "", "device": "cpu", **settings}
    if architecture in ("topk", "batchtopk", "matryoshka"):
        arguments["k"] = l0
    if architecture == "matryoshka":
        arguments["group_fractions"] = [b / LATENTS for b in np.diff([0, *PREFIXES]).tolist()]
    trainer = classes[architecture](**arguments)

    def finish():
        sae = trainer.ae
        dictionary = sae.W_dec if hasattr(sae, "W_dec") else sae.decoder.weight.T
        return sae.encode, sae.decode, dictionary

    return lambda i, x: trainer.update(i, x), finish, "unit"


def sparsify(architecture, steps, l0, settings):
    """The hook of its Trainer, whose rows come from a language model only, around its own SparseCoder."""
    from sparsify import SparseCoder, SparseCoderConfig
    from transformers import get_linear_schedule_with_warmup

    sae = SparseCoder(64, SparseCoderConfig(num_latents=LATENTS, k=l0, activation=architecture), "cpu", dtype=torch.float32)
    adam = torch.optim.Adam(sae.parameters(), lr=settings.get("lr", 2e-4 / (LATENTS / 2**14) ** 0.5))
    schedule = get_linear_schedule_with_warmup(adam, min(1000, steps // 5), steps)

    def step(i, x):
        if i == 0:
            sae.b_dec.data = x.mean(0)
        sae.set_decoder_norm_to_unit_norm()
        out = sae(x=x, y=x, dead_mask=None)
        out.fvu.backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        adam.step()
        adam.zero_grad()
        schedule.step()

    def encode(x):
        values, indices, _ = sae.encode(x)
        return torch.zeros(len(x), LATENTS).scatter_(1, indices, values)

    return step, lambda: (encode, lambda f: f @ sae.W_dec + sae.b_dec, sae.W_dec), 1.0


def rows_in_order(rows, passes, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(passes):
        for which in torch.randperm(len(rows), generator=generator).split(BATCH):
            if len(which) == BATCH:
                yield rows[which]


@torch.no_grad()
def measure(world, encode, decode, dictionary, scale):
    fired, error = [], 0.0
    for part in torch.from_numpy(world.eval).split(BATCH):
        f = encode(part * scale)
        f = f.to_dense() if f.is_sparse else f
        error += float((part.double() - decode(f).double() / scale).square().sum())
        fired.append((f != 0).numpy())
    fired = np.concatenate(fired)
    rows = world.eval.astype(np.float64)
    atoms = dictionary.detach().double().numpy()
    atoms = atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
    cosines = world.directions @ atoms.T
    affinity = np.maximum(cosines, 0)
    features, latents = linear_sum_assignment(affinity, maximize=True)
    true, found = world.fires[:, features], fired[:, latents]
    both, either = (true & found).sum(0), true.sum(0) + found.sum(0)
    seen = true.any(0)
    return {
        "fvu": error / float(np.square(rows - rows.mean(0)).sum()),
        "l0": float(fired.sum() / len(fired)),
        "mmcs": float(cosines.max(1).mean()),
        "match_cosine": float(affinity[features, latents].mean()),
        "recovered_fraction": float((affinity[features, latents] > RECOVERED).mean()),
        "truth_f1": float((2 * both[seen] / either[seen]).mean()),
        "dead_fraction": float(1 - fired.any(0).mean()),
    }


def main():
    p = argparse.ArgumentParser()
    p.add_argument("peer", choices=["saelens", "dictionary_learning", "sparsify"])
    p.add_argument("architecture")
    p.add_argument("worlds", nargs="+")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--l0", type=int, default=5)
    p.add_argument("--passes", type=int, default=15)
    p.add_argument("--set", action="append", default=[])
    a = p.parse_args()
    torch.set_num_threads(1)
    settings = dict(SETTINGS[a.peer, a.architecture, a.l0])
    for text in a.set:
        key, value = text.split("=")
        settings[key] = json.loads(value)
    make = {"saelens": saelens, "dictionary_learning": dictionary_learning, "sparsify": sparsify}[a.peer]
    for folder in a.worlds:
        world = World(folder)
        torch.manual_seed(a.seed)
        steps = a.passes * (len(world.train) // BATCH)
        step, finish, scale = make(a.architecture, steps, a.l0, settings)
        if scale == "unit":
            scale = float(world.train.square().sum(1).mean() ** -0.5)
        start = time.process_time()
        for i, x in enumerate(rows_in_order(world.train * scale, a.passes, a.seed)):
            step(i, x)
        cpu = time.process_time() - start
        print(json.dumps({
            "source": a.peer, "version": VERSIONS[a.peer], "architecture": a.architecture, "target": a.l0, "world": world.name, "seed": a.seed,
            "passes": a.passes, "settings": settings,
            **{k: round(v, 6) for k, v in measure(world, *finish(), scale).items()}, "cpu_seconds": round(cpu, 1)}), flush=True)


if __name__ == "__main__":
    main()
