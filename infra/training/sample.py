"""Continues a prompt: greedy, or with temperature and top-p. For reading what a model has learnt, not for serving."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from corpus import END_OF_TEXT
from hf_folder import read_folder
from model import GPT2


def choose(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """The next token for [vocab_size] logits; temperature 0 takes the likeliest."""
    if temperature == 0:
        return int(logits.argmax())
    probabilities, order = torch.softmax(logits / temperature, 0).sort(descending=True)
    outside = probabilities.cumsum(0) - probabilities >= top_p
    return int(order[torch.multinomial(probabilities.masked_fill(outside, 0.0), 1, generator=generator)])


@torch.no_grad()
def continue_text(
    model: GPT2, tokenizer: Tokenizer, prompt: str, tokens: int, temperature: float, top_p: float, seed: int
) -> str:
    """Up to `tokens` more tokens after `prompt`, ending early at `<|endoftext|>`; returns prompt and continuation."""
    generator = torch.Generator().manual_seed(seed)
    end = tokenizer.token_to_id(END_OF_TEXT)
    ids = tokenizer.encode(prompt).ids
    for _ in range(tokens):
        window = torch.tensor([ids[-model.config.n_positions :]])
        logits = F.linear(model.transformer(window)[0, -1], model.transformer.wte.weight)
        token = choose(logits, temperature, top_p, generator)
        if token == end:
            break
        ids.append(token)
    return tokenizer.decode(ids)


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder that export.py wrote")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    model, tokenizer = read_folder(args.model)
    print(continue_text(model, tokenizer, args.prompt, args.tokens, args.temperature, args.top_p, args.seed))


if __name__ == "__main__":
    main()
