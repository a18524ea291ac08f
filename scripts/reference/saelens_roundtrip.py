#!/usr/bin/env python3
"""SAELens' own files and numbers for SaeFolderTest, and the way back.

    python3 scripts/reference/saelens_roundtrip.py make core/src/test/resources/saelens
        writes tiny SAEs as SAELens saves them, and what SAELens computes with them (expected.json)
    python3 scripts/reference/saelens_roundtrip.py check FOLDER
        opens an SAE folder that Loupe wrote with SAELens, encodes and decodes random rows, and compares with plain numpy

Made with sae-lens 6.54.12, torch 2.13.0, numpy 2.x, Python 3.11.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from sae_lens import SAE
from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig
from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

D, M, K, ROWS = 13, 29, 4, 6


def saes():
    shape = {"d_in": D, "d_sae": M}
    return {
        "topk": TopKSAE(TopKSAEConfig(**shape, k=K, apply_b_dec_to_input=True, rescale_acts_by_decoder_norm=False)),
        "topk_rescaled": TopKSAE(TopKSAEConfig(**shape, k=K, apply_b_dec_to_input=False, rescale_acts_by_decoder_norm=True)),
        "standard": StandardSAE(StandardSAEConfig(**shape, apply_b_dec_to_input=True)),
        "jumprelu": JumpReLUSAE(JumpReLUSAEConfig(**shape, apply_b_dec_to_input=False)),
    }


def make(out: Path) -> None:
    expected = {}
    for name, sae in saes().items():
        torch.manual_seed(3)
        with torch.no_grad():
            for weight in (sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec):
                weight.copy_(torch.randn_like(weight))
            if name == "jumprelu":
                sae.threshold.copy_(torch.randn_like(sae.threshold))  # some below 0: relu still cuts at 0
            sae.cfg.metadata.model_name = "made up"
            sae.cfg.metadata.hook_name = "blocks.1.hook_resid_post"
            sae.save_model(out / name)
            x = torch.randn(ROWS, D)
            f = sae.encode(x)
            expected[name] = {"x": x.flatten().tolist(), "features": f.flatten().tolist(),
                              "reconstruction": sae.decode(f).flatten().tolist()}
    (out / "expected.json").write_text(json.dumps({"rows": ROWS, **expected}) + "\n")


def features(sae, z):
    """What the architecture makes of pre-activations, in numpy."""
    relu = np.maximum(z, 0)
    architecture = sae.cfg.architecture()
    if architecture == "topk":
        return np.where(z >= np.sort(z, axis=1)[:, -sae.cfg.k][:, None], relu, 0)
    if architecture == "jumprelu":
        return np.where(z > sae.threshold.detach().double().numpy(), relu, 0)
    return relu


def check(folder: str) -> None:
    sae = SAE.load_from_disk(folder)
    x = torch.randn(64, sae.cfg.d_in)
    with torch.no_grad():
        f = sae.encode(x)
        out = sae.decode(f)
    w = {name: getattr(sae, name).detach().double().numpy() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    centred = x.double().numpy() - (w["b_dec"] if sae.cfg.apply_b_dec_to_input else 0)
    z = centred @ w["W_enc"] + w["b_enc"]
    wanted = features(sae, z)
    for what, a, b in [("features", wanted, f.numpy()), ("reconstruction", wanted @ w["W_dec"] + w["b_dec"], out.numpy())]:
        print(what, "largest difference", np.abs(a - b).max())
        assert np.allclose(a, b, atol=1e-4)
    print("opened by SAELens:", type(sae).__name__, "d", sae.cfg.d_in, "m", sae.cfg.d_sae, "architecture",
          sae.cfg.architecture(), "hook", sae.cfg.metadata.hook_name)


if __name__ == "__main__":
    make(Path(sys.argv[2])) if sys.argv[1] == "make" else check(sys.argv[2])
