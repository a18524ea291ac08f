#!/usr/bin/env python3
"""Compares what TensorBoard reads of a training run with the run's steps.jsonl.

    python3 scripts/reference/tensorboard_check.py SAE_FOLDER
        every scalar of every step, read by TensorBoard's own event_accumulator
    python3 scripts/reference/tensorboard_check.py SAE_FOLDER http://127.0.0.1:6006 RUN
        the same from a TensorBoard server that shows the folder as RUN; start it with --samples_per_plugin scalars=9999

Made with tensorboard 2.21.0, tensorboard-data-server 0.7.2, numpy 2.4.6, Python 3.11.
"""
import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing import event_accumulator


def from_files(folder: Path) -> dict:
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def from_server(server: str, run: str) -> dict:
    def get(path: str, **query):
        with urllib.request.urlopen(f"{server}/data/plugin/scalars/{path}?{urllib.parse.urlencode(query)}") as answer:
            return json.load(answer)

    return {tag: [(step, value) for _, step, value in get("scalars", run=run, tag=tag)] for tag in get("tags")[run]}


def main() -> None:
    folder = Path(sys.argv[1])
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    names = [name for name in lines[0] if name not in ("step", "tokens")]
    shown = from_server(sys.argv[2], sys.argv[3]) if len(sys.argv) > 2 else from_files(folder)
    assert sorted(shown) == sorted("train/" + name for name in names), sorted(shown)
    for name in names:
        expected = [(line["step"], float(np.float32(line[name]))) for line in lines]
        assert shown["train/" + name] == expected, name
    print(f"{len(lines)} steps from {lines[0]['step']} to {lines[-1]['step']} × {len(names)} scalars agree:", *names)


if __name__ == "__main__":
    main()
