"""Checks an exported folder against transformers: it loads, ties the output layer, and computes what ours computes.

Exits with an error unless logits agree to 1e-3, tokenizers agree on the held-out text, and the held-out loss that
transformers finds is ours.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import GPT2LMHeadModel, GPT2Tokenizer

from corpus import load_sources
from hf_folder import read_folder
from tokens import encode


@torch.no_grad()
def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(2)
    ours, tokenizer = read_folder(args.model)
    theirs = GPT2LMHeadModel.from_pretrained(args.model, dtype=torch.float32).eval()
    with safe_open(args.model / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert "lm_head.weight" not in names, "the output layer must not be stored"
    assert theirs.lm_head.weight.data_ptr() == theirs.transformer.wte.weight.data_ptr(), "the output layer is not tied"

    held_out = {source.name: source.held_out for source in load_sources(args.corpus)}
    their_tokenizer = GPT2Tokenizer(str(args.model / "vocab.json"), str(args.model / "merges.txt"))
    for name, documents in held_out.items():
        for document in documents:
            assert their_tokenizer.encode(document) == tokenizer.encode(document).ids, f"tokenizers differ on {name}"
            assert tokenizer.decode(tokenizer.encode(document).ids) == document, f"no round trip on {name}"

    context = ours.config.n_positions
    ids = torch.from_numpy(encode(tokenizer, held_out["novels"]))
    windows = ids[: len(ids) // context * context].view(-1, context)
    our_nats, their_nats, difference = 0.0, 0.0, 0.0
    for rows in windows.split(8):
        mine, reference = ours(rows), theirs(rows).logits
        difference = max(difference, float((mine - reference).abs().max()))
        our_nats += nats(mine, rows)
        their_nats += nats(reference, rows)
    targets = windows.shape[0] * (context - 1)
    print(f"logits differ by at most {difference:.2e}; {len(windows)} windows of held-out novels")
    print(f"loss ours {our_nats / targets:.5f}, transformers {their_nats / targets:.5f} nats per token")
    assert difference <= 1e-3
    assert math.isclose(our_nats, their_nats, rel_tol=1e-5)


def nats(logits: torch.Tensor, ids: torch.Tensor) -> float:
    """Summed loss of the tokens after the first of each row."""
    flat = logits[:, :-1].reshape(-1, logits.shape[-1])
    return float(torch.nn.functional.cross_entropy(flat, ids[:, 1:].reshape(-1), reduction="sum"))


if __name__ == "__main__":
    main()
