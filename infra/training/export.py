"""Exports a training checkpoint as a Hugging Face GPT-2 folder with a model card measured on what is shipped.

Guarantees: of the last and the averaged weights the better one on held-out novels is exported; the card's figures are
those of the f16 weights in the folder. `verify.py` checks the folder against transformers.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bpe import load_tokenizer
from corpus import load_sources
from evaluate import HeldOut, Score, score
from hf_folder import half, read_folder, write_folder, write_text
from model import GPT2, GPT2Config
from model_card import model_card
from process_settings import use_process_settings
from tokens import encode


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True, help="model folder to write")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    use_process_settings()
    torch.set_num_threads(args.threads)
    state: dict[str, Any] = torch.load(args.run / "checkpoint.pt", weights_only=True)
    config = GPT2Config(**state["config"])
    held_out = held_out_texts(args.corpus, args.run)
    weights = better_weights(config, state, held_out["novels"])
    write_folder(args.to, config, weights, args.run)
    model, tokenizer = read_folder(args.to)
    scores = {name: score(model, held, config.n_positions // 4) for name, held in held_out.items()}
    write_text(args.to / "MODEL_CARD.md", model_card(model, tokenizer, state, scores))
    for name, result in scores.items():
        print(f"{name}: {result.bits_per_character:.4f} bits per character, perplexity {result.perplexity:.2f}")


def held_out_texts(corpus: Path, tokenizer_folder: Path) -> dict[str, HeldOut]:
    """The held-out passages of every source, as tokens."""
    tokenizer = load_tokenizer(tokenizer_folder)
    return {
        source.name: HeldOut(encode(tokenizer, source.held_out), sum(map(len, source.held_out)))
        for source in load_sources(corpus)
    }


def better_weights(config: GPT2Config, state: dict[str, Any], held_out: HeldOut) -> dict[str, Tensor]:
    """The last or the averaged weights, whichever predicts `held_out` better as f16."""
    results: list[tuple[Score, str]] = []
    for kind in ("model", "average"):
        model = GPT2(config)
        model.load_state_dict({name: tensor.float() for name, tensor in half(state[kind]).items()})
        results.append((score(model, held_out, config.n_positions), kind))
        print(f"{kind}: {results[-1][0].bits_per_character:.4f} bits per character on held-out novels")
    chosen = min(results, key=lambda result: result[0].nats)[1]
    return dict(state[chosen])


if __name__ == "__main__":
    main()
