#!/usr/bin/env python3
"""Figures against a known truth for TruthMatchTest and TruthMetricsTest, made with SAELens 6.54.12, numpy 2.4, torch 2.13.

    python3 scripts/reference/synthetic.py > core/src/test/resources/eval/synthetic.json

Small dictionaries of random rows. "match": sizes of truth and decoder, SAELens' mean_correlation_coefficient (|cosine|, Hungarian)
and feature_uniqueness, and the assignment that scipy finds for max(0, cosine). "firing": a decoder that is a noisy permutation
of the truth, activations that miss and add some; SAELens' compute_classification_metrics, which are means over latents of the
feature nearest to each, and so the same as means over features where that is a permutation (asserted).
"""
import json

import numpy as np
import torch
from sae_lens.synthetic import evals
from sae_lens.util import cosine_similarities
from scipy.optimize import linear_sum_assignment

random = np.random.default_rng(7)


def rows(n, d):
    return np.round(random.standard_normal((n, d)), 3).astype(np.float32)


def match(features, latents, d):
    truth, decoder = rows(features, d), rows(latents, d)
    t, w = torch.tensor(truth), torch.tensor(decoder)
    cosines = np.maximum(cosine_similarities(t, w).numpy(), 0)
    at, to = linear_sum_assignment(cosines, maximize=True)
    column = [-1] * features  # of pairs that are worth something: others can be exchanged
    for i, j in zip(at.tolist(), to.tolist()):
        column[i] = j if cosines[i, j] > 0 else -1
    return {"truth": truth.tolist(), "decoder": decoder.tolist(), "mcc": evals.mean_correlation_coefficient(w, t),
            "uniqueness": evals.feature_uniqueness(w, t), "latents": column,
            "match_cosine": float(cosines[at, to].mean())}


def firing(features, d, n):
    truth = rows(features, d)
    order = random.permutation(features)
    decoder = (truth[order] + np.float32(0.2) * rows(features, d)).astype(np.float32)
    on = random.random((n, features)) < 0.3
    codes = np.where(on, np.round(1 - random.random((n, features)), 3), 0).astype(np.float32)
    kept = codes * (random.random((n, features)) < 0.8) + (random.random((n, features)) < 0.1) * np.float32(0.25)
    latents = kept[:, order].astype(np.float32)
    found = evals.compute_classification_metrics(torch.tensor(latents), torch.tensor(codes), torch.tensor(decoder),
                                                 torch.tensor(truth))
    nearest = cosine_similarities(torch.tensor(decoder), torch.tensor(truth)).abs().argmax(dim=1).tolist()
    assert sorted(nearest) == list(range(features)) and nearest == order.tolist()
    return {"truth": truth.tolist(), "decoder": decoder.tolist(), "codes": codes.tolist(), "latents": latents.tolist(),
            "precision": found.precision, "recall": found.recall, "f1": found.f1_score}


print(json.dumps({"match": [match(4, 4, 6), match(5, 9, 6), match(9, 5, 6)], "firing": firing(5, 8, 24)}))
