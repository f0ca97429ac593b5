"""Token streams and the deterministic sampler that mixes the sources into training batches.

Guarantees: a batch is a pure function of (seed, the calls made before), so a resumed run sees the same data; inside one
pass over a source every token is a target exactly once, up to one window at the ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from corpus import END_OF_TEXT

# Share of the rows of a batch, at the start and at the end of training: prose novels weigh most, and more at the end.
MIX_START = {"novels": 0.44, "alice": 0.02, "shakespeare": 0.14, "kjv": 0.40}
MIX_END = {"novels": 0.80, "alice": 0.04, "shakespeare": 0.06, "kjv": 0.10}


def encode(tokenizer: Tokenizer, documents: list[str]) -> np.ndarray:
    """`<|endoftext|>` doc `<|endoftext|>` doc ... `<|endoftext|>` as one array of token ids."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    ids = [end]
    for encoding in tokenizer.encode_batch(documents):
        ids += [*encoding.ids, end]
    return np.array(ids, dtype=np.int64)


class MixedSampler:
    """Draws windows of `context` + 1 tokens, each source in shuffled passes with a new offset for each pass.

    `context` may be changed between batches; the pass under way then starts anew.
    """

    def __init__(self, streams: dict[str, np.ndarray], context: int, seed: int) -> None:
        self.streams = streams
        self.context = context
        self.seed = seed
        self.drawn = dict.fromkeys(streams, 0)  # windows drawn in this pass
        self.started = dict.fromkeys(streams, 0)  # passes started
        self.read = dict.fromkeys(streams, 0)  # tokens read
        self.orders: dict[str, np.ndarray] = {}  # first tokens of the windows of this pass
        self.batches = 0

    def batch(self, rows: int, progress: float) -> tuple[Tensor, Tensor]:
        """`rows` windows for `progress` in 0..1: (inputs, targets), both [rows, context]."""
        rng = np.random.default_rng((self.seed, 0, self.batches))
        self.batches += 1
        names = list(self.streams)
        weights = np.array([MIX_START[n] + (MIX_END[n] - MIX_START[n]) * progress for n in names])
        chosen = rng.choice(len(names), size=rows, p=weights / weights.sum())
        windows = np.stack([self._next_window(names[i], i) for i in chosen])
        ids = torch.from_numpy(windows)
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def use_context(self, context: int) -> None:
        """Changes the length of the windows."""
        if context != self.context:
            self.context = context
            self.orders.clear()

    def passes(self) -> dict[str, float]:
        """How often each source has been read so far."""
        return {n: self.read[n] / len(self.streams[n]) for n in self.streams}

    def _next_window(self, name: str, index: int) -> np.ndarray:
        stream = self.streams[name]
        if name not in self.orders or self.drawn[name] == len(self.orders[name]):
            self.orders[name] = self._order(len(stream), index, self.started[name])
            self.started[name] += 1
            self.drawn[name] = 0
        start = int(self.orders[name][self.drawn[name]])
        self.drawn[name] += 1
        self.read[name] += self.context
        return stream[start : start + self.context + 1]

    def _order(self, length: int, index: int, pass_number: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, 1 + index, pass_number))
        starts = np.arange(int(rng.integers(0, self.context)), length - self.context, self.context)
        return rng.permutation(starts)

    def state(self) -> dict[str, object]:
        """What `restore` needs."""
        return {
            "context": self.context,
            "drawn": self.drawn,
            "started": self.started,
            "read": self.read,
            "orders": {name: order.tolist() for name, order in self.orders.items()},
            "batches": self.batches,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where the sampler that gave `state` was."""
        self.context, self.batches = state["context"], state["batches"]
        self.drawn, self.started, self.read = state["drawn"], state["started"], state["read"]
        self.orders = {name: np.array(order) for name, order in state["orders"].items()}
