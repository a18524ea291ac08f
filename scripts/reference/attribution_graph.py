#!/usr/bin/env python3
"""Pruning and scores of a small made-up graph for PrunedTest, by the functions of circuit-tracer's circuit_tracer/graph.py (0.5.0).

    pip install circuit-tracer==0.5.0
    python3 scripts/reference/attribution_graph.py > lab/src/test/resources/trace/pruned.json

The weights are given by formula, so that the test builds the same ones.
"""
import json
import math
from types import SimpleNamespace

import torch
from circuit_tracer.graph import compute_graph_scores, prune_graph

torch.set_default_dtype(torch.float64)
EARLY, LATE, TOKENS, LOGITS, LAYERS = 6, 6, 3, 2, 2
LATENTS = EARLY + LATE
ERRORS = LATENTS
FIRST_TOKEN = ERRORS + LAYERS * TOKENS
FIRST_LOGIT = FIRST_TOKEN + TOKENS
NODES = FIRST_LOGIT + LOGITS


def weight(target, source):
    """Latents of the first layer see tokens, those of the second one the first layer, logits the second layer."""
    value = math.sin(12.9 * target + 4.1 * source) ** 3
    if target < EARLY:
        return value if FIRST_TOKEN <= source < FIRST_LOGIT else 0.0
    if target < LATENTS:
        return value if source < EARLY or ERRORS <= source < ERRORS + TOKENS else 0.0
    if target >= FIRST_LOGIT:
        return value if EARLY <= source < LATENTS or ERRORS + TOKENS <= source < FIRST_TOKEN else 0.0
    return 0.0


adjacency = torch.tensor([[weight(t, s) for s in range(NODES)] for t in range(NODES)])
graph = SimpleNamespace(
    adjacency_matrix=adjacency,
    input_tokens=list(range(TOKENS)),
    logit_targets=list(range(LOGITS)),
    selected_features=list(range(LATENTS)),
    logit_probabilities=torch.tensor([0.7, 0.2]),
    cfg=SimpleNamespace(n_layers=LAYERS),
)
replacement, completeness = compute_graph_scores(graph)
pruned = prune_graph(graph, node_threshold=0.8, edge_threshold=0.9)
print(
    json.dumps(
        {
            "replacement": replacement,
            "completeness": completeness,
            "nodes": pruned.node_mask.nonzero().flatten().tolist(),
            "edges": pruned.edge_mask.nonzero().tolist(),
            "cumulative": pruned.cumulative_scores.tolist(),
        }
    )
)
