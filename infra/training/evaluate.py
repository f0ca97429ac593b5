"""Held-out loss of a model, for each source file: nats per token, perplexity and bits per character."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from model import GPT2


@dataclass(frozen=True)
class HeldOut:
    """The held-out text of one source: its tokens (documents separated by `<|endoftext|>`) and its length."""

    ids: np.ndarray
    characters: int


@dataclass(frozen=True)
class Score:
    """Summed loss over `tokens` targets that spell `characters` characters."""

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """Perplexity per token."""
        return math.exp(self.loss)

    @property
    def bits_per_character(self) -> float:
        """Independent of the tokenizer, unlike the other two."""
        return self.nats / math.log(2) / self.characters


@torch.no_grad()
def score(model: GPT2, held_out: HeldOut, stride: int, rows: int = 16) -> Score:
    """Every token after the first is a target once, seeing at least `context - stride` tokens where there are any.

    `stride` equal to the context is the fast, pessimistic reading; a quarter of the context is closer to use.
    """
    context = model.config.n_positions
    ids = torch.from_numpy(held_out.ids)
    jobs: list[tuple[int, int]] = []  # (window start, first position of the window that is scored)
    scored = 0
    while scored < len(ids) - 1:
        start = max(0, min(scored - (context - stride), len(ids) - 1 - context)) if scored else 0
        jobs.append((start, scored - start))
        scored = min(start + context, len(ids) - 1)
    nats = 0.0
    model.eval()
    for i in range(0, len(jobs), rows):
        chunk = jobs[i : i + rows]
        width = min(context, len(ids) - 1)
        window = torch.stack([ids[start : start + width + 1] for start, _ in chunk])
        logits = model(window[:, :-1]).float()
        flat = F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten(), reduction="none")
        losses = flat.view(len(chunk), width)
        nats += sum(float(row[first:].sum()) for row, (_, first) in zip(losses, chunk, strict=True))
    model.train()
    return Score(nats, len(ids) - 1, held_out.characters)
