"""Makes the parity fixtures: what Hugging Face transformers answers, for our tests to agree with.

    python3 -m venv /tmp/parity-venv && /tmp/parity-venv/bin/pip install -r requirements.txt
    /tmp/parity-venv/bin/python make_fixtures.py            # writes ../test-data/parity

Per model: config.json, model.safetensors, vocab.json, merges.txt and expected.json (input ids, logits of every position,
greedy continuation). For the tokenizer: strings of all of Unicode with the ids GPT-2's tokenizer gives them.
Everything is seeded, so a rerun writes the same files.
"""

import gzip
import json
import random
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

ROOT = Path(__file__).resolve().parent.parent / "test-data"
OUT = ROOT / "parity"
VOCAB_DIR = ROOT / "gpt2-vocab"
GREEDY_TOKENS = 40

# Each model stands for something that can go wrong; see "why".
MODELS = {
    "plain-f32": dict(
        why="the defaults of every GPT-2, stored in full precision",
        dtype="float32", prompt=17, prefix=False,
        config=dict(n_layer=2, n_head=4, n_embd=64, n_positions=128, vocab_size=512),
    ),
    "odd-sizes-f32": dict(
        why="no size a multiple of a vector: heads of 7, 21 columns, 301 tokens, n_inner of its own; ReLU; untied",
        dtype="float32", prompt=29, prefix=True,
        config=dict(n_layer=3, n_head=3, n_embd=21, n_positions=80, n_inner=50, vocab_size=301,
                    activation_function="relu", tie_word_embeddings=False),
    ),
    "scaled-layers-f16": dict(
        why="attention scaled by layer index, erf GELU, half precision on disk",
        dtype="float16", prompt=33, prefix=True,
        config=dict(n_layer=4, n_head=2, n_embd=48, n_positions=96, vocab_size=400, activation_function="gelu",
                    scale_attn_by_inverse_layer_idx=True),
    ),
    "unscaled-bf16": dict(
        why="unscaled attention, SiLU, another epsilon, bfloat16 on disk",
        dtype="bfloat16", prompt=5, prefix=False,
        config=dict(n_layer=2, n_head=1, n_embd=40, n_positions=64, n_inner=72, vocab_size=350,
                    activation_function="silu", scale_attn_weights=False, layer_norm_epsilon=1e-3),
    ),
    "deep-tanh-f32": dict(
        why="more layers, tanh activation, one head per 8 columns, untied",
        dtype="float32", prompt=64, prefix=True,
        config=dict(n_layer=6, n_head=4, n_embd=32, n_positions=160, vocab_size=320, activation_function="tanh",
                    tie_word_embeddings=False),
    ),
    "wide-context-f16": dict(
        why="a prompt over many KV blocks, head width 64 as in the published models, tanh GELU under its PyTorch name",
        dtype="float16", prompt=300, prefix=False,
        config=dict(n_layer=2, n_head=2, n_embd=128, n_positions=384, vocab_size=600,
                    activation_function="gelu_pytorch_tanh"),
    ),
}


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    extra = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(extra)) for b in range(256)]


def tiny_vocabulary(size):
    """The 256 bytes, <|endoftext|>, and the first merges of GPT-2 that fit."""
    tokens = byte_alphabet() + ["<|endoftext|>"]
    merges = []
    for line in (VOCAB_DIR / "merges.txt").read_text().splitlines()[1:]:
        if len(tokens) == size:
            break
        left, right = line.split(" ")
        if left in tokens and right in tokens and left + right not in tokens:
            tokens.append(left + right)
            merges.append(line)
    return {token: index for index, token in enumerate(tokens)}, ["#version: 0.2", *merges]


def make_model(index, name, spec):
    torch.manual_seed(1000 + index)
    config = GPT2Config(**spec["config"], bos_token_id=256, eos_token_id=256, initializer_range=0.15,
                        attn_pdrop=0, embd_pdrop=0, resid_pdrop=0, attn_implementation="eager")
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.dim() == 1:  # biases and norms start as constants, which would hide mistakes
                parameter.add_(torch.randn_like(parameter) * 0.1)
    dtype = getattr(torch, spec["dtype"])
    tied = config.tie_word_embeddings
    state = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items() if not (tied and k == "lm_head.weight")}
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    if tied:
        model.tie_weights()

    prompt = torch.randint(0, config.vocab_size, (1, spec["prompt"]))
    with torch.no_grad():
        logits = model(prompt).logits[0].float().numpy()
        ids = prompt
        margins = []
        for _ in range(GREEDY_TOKENS):
            if ids.shape[1] == config.n_positions:
                break
            last = model(ids).logits[0, -1]
            best = last.topk(2).values
            margins.append(float(best[0] - best[1]))
            ids = torch.cat([ids, last.argmax().view(1, 1)], dim=1)

    directory = OUT / name
    directory.mkdir(parents=True)
    vocabulary, merges = tiny_vocabulary(config.vocab_size)
    tokenizer_bytes = {i: t for t, i in vocabulary.items()}
    byte_of = {c: b for b, c in enumerate(byte_alphabet())}
    greedy = ids[0, spec["prompt"]:].tolist()
    text = b"".join(
        b"<|endoftext|>" if i == 256 else bytes(byte_of[c] for c in tokenizer_bytes[i]) for i in greedy
    ).decode("utf-8", errors="replace")

    prefix = "transformer." if spec["prefix"] else ""
    renamed = {k if k.startswith("lm_head") else prefix + k.removeprefix("transformer."): v for k, v in state.items()}
    # Old checkpoints carry the causal mask as a buffer; loaders must ignore it.
    renamed[f"{prefix}h.0.attn.bias"] = torch.tril(torch.ones(4, 4)).bool().view(1, 1, 4, 4)
    renamed[f"{prefix}h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(renamed, directory / "model.safetensors", metadata={"format": "pt"})
    keep = [*spec["config"], "bos_token_id", "eos_token_id", "model_type"]
    values = {k: v for k, v in config.to_dict().items() if k in keep}
    (directory / "config.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (directory / "merges.txt").write_text("\n".join(merges) + "\n")
    expected = dict(why=spec["why"], prompt=prompt[0].tolist(), greedy=greedy, text=text, shape=list(logits.shape),
                    smallest_margin=min(margins))
    (directory / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
    # Logits of at most 40 positions, spread evenly and including the last: enough to catch any error, small to keep.
    positions = sorted({round(i * (spec["prompt"] - 1) / 39) for i in range(40)})
    np.concatenate([np.array([len(positions), *positions], dtype="<f4"), logits[positions].astype("<f4").ravel()]).tofile(
        directory / "logits.f32")
    (directory / "model.safetensors").chmod(0o644)
    print(f"{name}: max |logit| {abs(logits).max():.2f}, smallest greedy margin {min(margins):.4f}")


ASSIGNED = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
POOLS = {
    "unicode": ASSIGNED,
    "ascii": list(range(0x20, 0x7F)),
    "latin": list(range(0xA0, 0x250)),
    "controls": [*range(0x20), *range(0x7F, 0xA1), 0xAD, 0x200B, 0x200E, 0xFEFF, 0xFFFD],
    "spaces": [0x20, 0x20, 0x20, 0x09, 0x0A, 0x0D, 0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x1F, 0x85, 0xA0, 0x1680, 0x180E,
               *range(0x2000, 0x200C), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF],
    "digits": [c for c in ASSIGNED if unicodedata.category(chr(c)) in ("Nd", "Nl", "No")],
    "marks": [c for c in ASSIGNED if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")],
    "cjk": [*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), *range(0x4E00, 0x9FA6), *range(0xAC00, 0xD7A4)],
    "emoji": [*range(0x1F300, 0x1F650), *range(0x1F900, 0x1FA00), *range(0x1F3FB, 0x1F400), 0x200D, 0x200D, 0xFE0F, 0x2640, 0x2642],
}
PIECES = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "’s", "''s", " '", "  ", "\n\n", "\r\n", "\t", "...", " the", "The",
          " 1999", "3.14", "<|endoftext|>", "👩‍👩‍👧‍👦", "🏳️‍🌈", "é", "é", "ﬀ", "İ", "ß", "नमस्ते", "สวัสดี", "שלום", "مرحبا", "Ελληνικά",
          "日本語", "한국어", "https://example.org/a?b=c&d=%20", "x_y-z", "{}[]();", "0x1F", "½", "²", "Ⅷ", "𝔘𝔫𝔦", "𐍈", "​", "\u00a0"]


def make_string(rng):
    parts = []
    for _ in range(rng.randint(1, 12)):
        if rng.random() < 0.4:
            parts.append(rng.choice(PIECES))
        else:
            pool = POOLS[rng.choice(list(POOLS))]
            parts.append("".join(chr(rng.choice(pool)) for _ in range(rng.randint(1, 6))))
        if rng.random() < 0.3:
            parts.append(" " * rng.randint(1, 4))
    return "".join(parts)


def code_point_classes(tokenizer):
    """Which of the pattern's classes every code point is in, run-length coded: [class, length, ...]."""
    split = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str
    runs = []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            kind = "-"
        else:
            joins = [kind for kind, sample in (("L", "a"), ("N", "1"), ("o", "!")) if len(split(sample + chr(code))) == 1]
            kind = joins[0] if joins else "s"
        if runs and runs[-2] == kind:
            runs[-1] += 1
        else:
            runs += [kind, 1]
    return runs


def make_tokenizer_fixture():
    tokenizer = GPT2TokenizerFast(vocab=str(VOCAB_DIR / "vocab.json"), merges=str(VOCAB_DIR / "merges.txt"))
    assert tokenizer("Hello world")["input_ids"] == [15496, 995]
    rng = random.Random(20190214)
    cases = []
    for _ in range(10_000):
        text = make_string(rng)
        # Our encode never makes a special token of user text, so take Hugging Face's ids with that switched off.
        cases.append([text, tokenizer(text, split_special_tokens=True, add_special_tokens=False)["input_ids"]])
    special = []
    for text in ["<|endoftext|>", "a<|endoftext|>b", "a <|endoftext|> b", "<|endoftext|><|endoftext|>\n"]:
        special.append([text, tokenizer(text, add_special_tokens=False)["input_ids"]])
    invalid = []
    for _ in range(500):
        ids = [rng.randrange(50257) for _ in range(rng.randint(1, 12))]
        invalid.append([ids, tokenizer.decode(ids, clean_up_tokenization_spaces=False)])
    classes = code_point_classes(tokenizer)
    data = json.dumps(dict(encode=cases, special=special, decode=invalid, classes=classes), ensure_ascii=False).encode()
    (OUT / "tokenizer.json.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"tokenizer: {len(cases)} strings")


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for i, (model_name, model_spec) in enumerate(MODELS.items()):
        make_model(i, model_name, model_spec)
    make_tokenizer_fixture()
