#!/usr/bin/env python3
"""Trains SAEs on the worlds of scripts/ground-truth.sh and appends one JSON line each to a file; those with a line there are left out.

Standard library only. Usage: ground_truth_run.py loupe LINES OUT
                              ground_truth_run.py peers LINES OUT PYTHON     (PYTHON has the packages of scripts/peers/ground_truth.py)
"""
import json
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOUPE = HERE.parent / "loupe"
WORLDS = ["easy", "zipf", "correlated", "hierarchical"]
SEEDS, PASSES, LATENTS, BATCH = 3, 15, 512, 1024
FIGURES = ["fvu", "l0", "mmcs", "match_cosine", "recovered_fraction", "truth_f1", "dead_fraction"]

# Architecture, wanted L0, what differs from the defaults.
LOUPE_RUNS = [
    ("topk", 5, {}),
    ("batchtopk", 5, {}),
    ("jumprelu", 5, {}),
    ("relu", 5, {}),
    ("relu", 29, {}),
    ("relu", 29, {"norms": "free"}),
    ("gated", 5, {}),
    ("sign_aware_gated", 5, {}),
    ("matryoshka", 5, {}),
    ("topk", 5, {"aligned": "true"}),
    ("batchtopk", 5, {"aligned": "true"}),
    ("hierarchical_topk", 5, {}),
    ("gumbel_topk", 5, {}),
    ("p_anneal", 5, {}),
    ("abstopk", 5, {}),
    ("matching_pursuit", 5, {}),
]
PEER_RUNS = [
    ("sparsify", "topk", 5),
    ("saelens", "topk", 5),
    ("saelens", "batchtopk", 5),
    ("saelens", "jumprelu", 5),
    ("saelens", "relu", 5),
    ("saelens", "relu", 29),
    ("dictionary_learning", "topk", 5),
    ("dictionary_learning", "batchtopk", 5),
    ("dictionary_learning", "jumprelu", 5),
    ("dictionary_learning", "relu", 5),
    ("dictionary_learning", "relu", 29),
    ("saelens", "matryoshka", 5),
    ("saelens", "gated", 5),
]


def key(line):
    return (line["source"], line["architecture"], line["target"], json.dumps(line.get("variant", {})), line["world"], line["seed"])


def present(lines):
    return {key(json.loads(text)) for text in lines.read_text().splitlines()} if lines.exists() else set()


def append(lines, line):
    with lines.open("a") as out:
        out.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def loupe(lines, out):
    version = subprocess.check_output([LOUPE, "--version"], text=True).split()[-1]
    commit = subprocess.check_output(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], text=True).strip()
    for architecture, target, variant in LOUPE_RUNS:
        for world in WORLDS:
            line = {"source": "loupe", "version": version, "commit": commit, "architecture": architecture, "target": target, "variant": variant,
                    "world": world, "passes": PASSES}
            if all(key({**line, "seed": seed}) in present(lines) for seed in range(SEEDS)):
                continue
            folder = out / "loupe" / "-".join([architecture, str(target), *variant, world])
            settings = {"architecture": architecture, "l0": target, "latents": LATENTS, "batch": BATCH, "passes": PASSES, "threads": 1, **variant}
            before = cpu_of_children()
            subprocess.run(
                [LOUPE, "train", "--data", out / "worlds" / world / "train.safetensors", "--seeds", str(SEEDS), "--fresh", "--out", folder,
                 *[word for k, v in settings.items() for word in ("--set", f"{k}={v}")]], check=True, stdout=subprocess.DEVNULL)
            cpu = (cpu_of_children() - before) / SEEDS
            for seed in range(SEEDS):
                report = json.loads(subprocess.check_output(
                    [LOUPE, "eval", folder / f"seed-{seed}", "--data", out / "worlds" / world / "eval.safetensors",
                     "--truth", out / "worlds" / world / "truth.safetensors", "--threads", "1", "--json"]))
                append(lines, {**line, "seed": seed, **{k: round(report[k], 6) for k in FIGURES}, "cpu_seconds": round(cpu, 1)})


def peers(lines, out, python):
    for seed in range(SEEDS):
        for source, architecture, target in PEER_RUNS:
            wanted = [world for world in WORLDS
                      if key({"source": source, "architecture": architecture, "target": target, "world": world, "seed": seed}) not in present(lines)]
            if not wanted:
                continue
            with subprocess.Popen(
                    [python, HERE / "peers" / "ground_truth.py", source, architecture, *[out / "worlds" / world for world in wanted],
                     "--seed", str(seed), "--l0", str(target), "--passes", str(PASSES)], stdout=subprocess.PIPE, text=True) as process:
                for text in process.stdout:
                    if text.startswith("{"):
                        append(lines, json.loads(text))
            if process.returncode != 0:
                sys.exit(f"{source} {architecture} failed")


if __name__ == "__main__":
    what, lines, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if what == "loupe":
        loupe(lines, out)
    else:
        peers(lines, out, sys.argv[4])
