"""Writes the model card: what the model is, what it was trained on, what was measured, and unedited samples."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer

from evaluate import Score
from model import GPT2
from sample import continue_text

PROMPTS = [
    "It was a dark and stormy night, and",
    "The count looked at the young man for a moment, and then",
    '"I do not understand you," said Alice,',
    "Once upon a time there was a little girl who",
    "The meaning of life is",
]
SAMPLE_TOKENS = 110

TEMPLATE = """# inkwell-small

A small English GPT-2 ({parameters:,} parameters) that Inkwell ships so that a fresh clone can write text without any
download. It was trained from scratch by this project on public-domain books. It writes text in
the manner of nineteenth-century novels: mostly grammatical clauses and dialogue that soon lose their thread. It knows
nothing else, follows no instructions and must not be used for facts.

| | |
|---|---|
| layout | Hugging Face `GPT2LMHeadModel`: `config.json`, `model.safetensors` (f16, tied output layer), `vocab.json`, `merges.txt` |
| shape | {n_layer} layers, width {n_embd}, {n_head} heads of {head_size}, context {n_positions}, gelu_new, learned positions |
| tokenizer | own byte-level BPE, {vocab_size:,} tokens, GPT-2's pre-tokenizer; `<|endoftext|>` is {end_id}, begins and ends a document |
| licence | weights: that of this repository (MIT); data: public domain |

## Data

*The Wonderful Wizard of Oz*, *Dracula*, *The Count of Monte Cristo*, *Alice's Adventures in
Wonderland*, the King James Bible and plays of Shakespeare, all public domain. Lines wrapped inside paragraphs were
joined, typographic quotes made plain, repeated pieces dropped. Of each source contiguous passages
were held out of both the training and the tokenizer (5 % of the prose). How often each source was read:
{passes}.

## Training

{steps:,} steps, {tokens:,} tokens, {minutes:.0f} minutes on two shared CPU cores (PyTorch, bf16 autocast); Muon for
the hidden matrices and AdamW for the rest, learning rate falling linearly to zero by the clock, batches of
{batch_tokens:,} tokens, windows of 256 and then 512 tokens, dropout, seed {seed}. The course of the run, with its
learning rates, is in `infra/training/README.md`.

## Held-out loss of these f16 weights

Every token sees at least 384 tokens of context where the passages allow it. Bits per character do not depend on the tokenizer.

| source | tokens | loss (nats per token) | perplexity (per token) | bits per character |
|---|---:|---:|---:|---:|
{scores}

## How to reproduce

See `infra/training/README.md`: `train.py`, then `export.py`, then `verify.py`. The seed fixes the data order, but the
schedule follows the clock, so another run gives another model: a better one on a machine with nothing else to do.

## Limits

The vocabulary, facts, names and attitudes are those of a few old books, including their prejudices. Other languages,
code, modern subjects and long-range coherence are out of reach. Names from those books turn up in
most texts. Greedy decoding falls into loops: sample instead.

## Unedited samples

### Temperature 0.8, top-p 0.95 (one draw each, seeds 1 to {prompts})

{sampled}

### Greedy

{greedy}
"""


def model_card(model: GPT2, tokenizer: Tokenizer, state: dict[str, Any], scores: dict[str, Score]) -> str:
    """The card's Markdown for a model read back from its folder."""
    config, args = model.config, state["args"]
    return TEMPLATE.format(
        parameters=sum(p.numel() for p in model.parameters()),
        n_layer=config.n_layer,
        n_embd=config.n_embd,
        n_head=config.n_head,
        head_size=config.n_embd // config.n_head,
        n_positions=config.n_positions,
        vocab_size=config.vocab_size,
        end_id=config.vocab_size - 1,
        passes=", ".join(f"{name} {count:.1f} times" for name, count in state["passes"].items()),
        steps=state["step"],
        tokens=state["tokens"],
        minutes=state["elapsed_s"] / 60,
        batch_tokens=args["batch_tokens"],
        seed=args["seed"],
        scores="\n".join(
            f"| {name} | {s.tokens:,} | {s.loss:.4f} | {s.perplexity:.2f} | {s.bits_per_character:.4f} |"
            for name, s in scores.items()
        ),
        prompts=len(PROMPTS),
        sampled=quoted(model, tokenizer, 0.8, 0.95, PROMPTS),
        greedy=quoted(model, tokenizer, 0.0, 1.0, PROMPTS[:3]),
    )


def quoted(model: GPT2, tokenizer: Tokenizer, temperature: float, top_p: float, prompts: list[str]) -> str:
    """One continuation of each prompt as Markdown quotations, the prompt in bold."""
    quotations = []
    for seed, prompt in enumerate(prompts, 1):
        text = continue_text(model, tokenizer, prompt, SAMPLE_TOKENS, temperature, top_p, seed)
        marked = f"**{prompt}**{text[len(prompt):]}"
        quotations.append("\n".join(f"> {line}".rstrip() for line in marked.split("\n")))
    return "\n\n".join(quotations)
