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
from sae_lens.saes.abstopk_sae import AbsTopKSAE, AbsTopKSAEConfig
from sae_lens.saes.gated_sae import GatedSAE, GatedSAEConfig
from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
from sae_lens.saes.matching_pursuit_sae import MatchingPursuitSAE, MatchingPursuitSAEConfig
from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig
from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig
from sae_lens.saes.transcoder import SkipTranscoder, SkipTranscoderConfig

D, M, K, ROWS = 13, 29, 4, 6


def saes():
    shape = {"d_in": D, "d_sae": M}
    return {
        "topk": TopKSAE(TopKSAEConfig(**shape, k=K, apply_b_dec_to_input=True, rescale_acts_by_decoder_norm=False)),
        "topk_rescaled": TopKSAE(TopKSAEConfig(**shape, k=K, apply_b_dec_to_input=False, rescale_acts_by_decoder_norm=True)),
        "standard": StandardSAE(StandardSAEConfig(**shape, apply_b_dec_to_input=True)),
        "jumprelu": JumpReLUSAE(JumpReLUSAEConfig(**shape, apply_b_dec_to_input=False)),
        "gated": GatedSAE(GatedSAEConfig(**shape, apply_b_dec_to_input=True)),
        "abstopk": AbsTopKSAE(AbsTopKSAEConfig(**shape, k=K, apply_b_dec_to_input=True)),
        "matching_pursuit": MatchingPursuitSAE(MatchingPursuitSAEConfig(
            **shape, max_iterations=K, residual_threshold=0.0, stop_on_duplicate_support=False, apply_b_dec_to_input=True)),
        "skip_transcoder": SkipTranscoder(SkipTranscoderConfig(**shape, d_out=D - 2, apply_b_dec_to_input=False)),
    }


def make(out: Path) -> None:
    expected = {}
    for name, sae in saes().items():
        torch.manual_seed(3)
        with torch.no_grad():
            for weight in sae.parameters():
                weight.copy_(torch.randn_like(weight))  # some thresholds below 0: relu still cuts at 0
            if name == "matching_pursuit":
                sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
            sae.cfg.metadata.model_name = "made up"
            sae.cfg.metadata.hook_name = "blocks.1.hook_resid_post"
            if name == "skip_transcoder":
                sae.cfg.metadata.hook_name_out = "blocks.1.hook_mlp_out"
            sae.save_model(out / name)
            x = torch.randn(ROWS, D)
            f = sae.encode(x)
            expected[name] = {"x": x.flatten().tolist(), "features": f.flatten().tolist(),
                              "reconstruction": (sae(x) if name == "skip_transcoder" else sae.decode(f)).flatten().tolist()}
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
