"""Cross-entropy, KL and top-1 agreement of a spliced toy Llama, made by HuggingFace transformers, for SpliceEvalTest.

    python scripts/reference/splice.py > lab/src/test/resources/causal/splice.json

Made with Python 3.11, torch 2.13.0, transformers 5.23.0. The toy model and its weights are those of lm_reference.py.
Each document is run alone after the prefix token, so packing and its attention mask play no part here.
"""
import json
import math

import torch
import transformers
from lm_reference import TOY, toy_weight
from transformers import LlamaConfig, LlamaForCausalLM

PREFIX = 260
ROWS = [[[(i * i * 7 + 3) % 256 for i in range(7)], [(i * 31 + 11) % 256 for i in range(6)]],
        [[(i * i * i + 5 * i + 1) % 256 for i in range(15)]],
        [[(i * 17 + 90) % 256 for i in range(3)], [42], [(i * 5 + 60) % 256 for i in range(4)]]]
REPLACEMENTS = {
    "identity": lambda x: x,
    "affine": lambda x: 0.5 * x + 0.1,
    "zero": lambda x: 0 * x,
    "ramp": lambda x: ((torch.arange(x.shape[-1]) - 15.5) / 40).expand_as(x),
}


def rows_at(model, point, ids):
    """The rows at a hook point and a function that runs the model with other rows there."""
    block, site = int(point.split(".")[1]), point.split(".")[2]
    module = model.model.layers[block] if site == "hook_resid_post" else model.model.layers[block].mlp
    kept = {}

    def run(change):
        def hook(_m, _i, out):
            x = out[0] if isinstance(out, tuple) else out
            kept["x"] = x.clone()
            y = change(x)
            return (y, *out[1:]) if isinstance(out, tuple) else y
        handle = module.register_forward_hook(hook)
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0]
        handle.remove()
        return logits

    clean = run(lambda x: x)
    return kept["x"], clean, run


def error(y, n):
    ratio, count = sum(y) / sum(n), len(n)
    return math.sqrt(count / (count - 1) * sum((a - ratio * b) ** 2 for a, b in zip(y, n))) / sum(n)


def measure(model, point, limit):
    sums = {name: [[0.0] * 5 for _ in ROWS] for name in REPLACEMENTS}
    replaced = 0
    for s, row in enumerate(ROWS):
        for doc in row:
            ids = torch.tensor([[PREFIX] + doc])
            x, clean, run = rows_at(model, point, ids)
            mask = x.norm(dim=-1) <= limit
            mask[:, 0] = False
            replaced += int(mask.sum())
            p = clean[1:-1].double().log_softmax(-1)
            target = ids[0, 2:, None]
            for name, change in REPLACEMENTS.items():
                logits = run(lambda x: torch.where(mask[..., None], change(x), x))
                q = logits[1:-1].double().log_softmax(-1)
                total = sums[name][s]
                total[0] += len(target)
                total[1] -= p.gather(1, target).sum().item()
                total[2] -= q.gather(1, target).sum().item()
                total[3] += (p.exp() * (p - q)).sum().item()
                total[4] += (p.argmax(-1) == q.argmax(-1)).sum().item()
    out = {"point": point, "norm_limit": limit, "replaced": replaced, "replacements": {}}
    for name, rows in sums.items():
        n, clean, ce, kl, same = (list(c) for c in zip(*rows))
        out["tokens"], out["ce_clean"] = int(sum(n)), sum(clean) / sum(n)
        out["replacements"][name] = {
            "ce": sum(ce) / sum(n), "kl": sum(kl) / sum(n), "top1": sum(same) / sum(n),
            "increase_error": error([a - b for a, b in zip(ce, clean)], n), "kl_error": error(kl, n)}
    return out


if __name__ == "__main__":
    toy = LlamaForCausalLM(LlamaConfig(**TOY, rope_theta=10000.0, attn_implementation="sdpa")).eval()
    toy.load_state_dict({k: toy_weight(k, tuple(v.shape)) for k, v in toy.state_dict().items()})
    cases = [measure(toy, "blocks.1.hook_resid_post", 1e9), measure(toy, "blocks.1.hook_resid_post", 15.0),
             measure(toy, "blocks.0.hook_mlp_out", 1e9)]
    print(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__, "prefix": PREFIX,
                      "rows": ROWS, "cases": cases}, indent=1))
