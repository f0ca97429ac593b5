"""GPT-2 in the exact parameter layout of Hugging Face's GPT2LMHeadModel, and nothing else.

Guarantees: `state_dict()` has the names and shapes of that class (Conv1D weights are [in, out]), the output layer is
the token embedding itself, and the numbers are those of transformers' own forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class GPT2Config:
    """The shape of a GPT-2; field names are those of Hugging Face's config.json."""

    vocab_size: int = 6144
    n_positions: int = 512
    n_embd: int = 256
    n_layer: int = 6
    n_head: int = 4


class Dropout(nn.Module):
    """Dropout whose mask takes one random byte for each value, eight of them from one draw.

    On a CPU the generator is what dropout costs; the rate is rounded to a multiple of 1/256.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.threshold = round(rate * 256)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; the identity when evaluating."""
        if not self.training or self.threshold == 0:
            return x
        draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= self.threshold
        return x * (kept.to(x.dtype) * (256 / (256 - self.threshold)))


class Conv1D(nn.Module):
    """An affine map whose weight is stored [in, out], as GPT-2's first code release did."""

    def __init__(self, n_in: int, n_out: int, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out).normal_(std=std))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_in] -> [..., n_out]"""
        return F.linear(x, self.weight.t(), self.bias)


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    def __init__(self, config: GPT2Config, std: float) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = Conv1D(config.n_embd, 3 * config.n_embd, 0.02)
        self.c_proj = Conv1D(config.n_embd, config.n_embd, std)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, n_embd] -> [batch, time, n_embd]"""
        batch, time, width = x.shape
        heads = (batch, time, self.n_head, width // self.n_head)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(batch, time, width))


class MLP(nn.Module):
    """Two layers with GPT-2's tanh approximation of GELU (gelu_new)."""

    def __init__(self, config: GPT2Config, std: float) -> None:
        super().__init__()
        self.c_fc = Conv1D(config.n_embd, 4 * config.n_embd, 0.02)
        self.c_proj = Conv1D(4 * config.n_embd, config.n_embd, std)

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_embd] -> [..., n_embd]"""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: GPT2Config, dropout: float) -> None:
        super().__init__()
        std = 0.02 / (2 * config.n_layer) ** 0.5
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = Attention(config, std)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config, std)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, n_embd] -> [batch, time, n_embd]"""
        x = x + self.dropout(self.attn(self.ln_1(x)))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class Transformer(nn.Module):
    """Embeddings, blocks and the final norm, named as in GPT2Model."""

    def __init__(self, config: GPT2Config, dropout: float) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = Dropout(dropout)
        self.h = nn.ModuleList(Block(config, dropout) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.01)

    def forward(self, ids: Tensor) -> Tensor:
        """[batch, time] token ids -> [batch, time, n_embd]"""
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.drop(self.wte(ids) + self.wpe(positions))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT2(nn.Module):
    """The language model; dropout acts on the embeddings and on what each block adds, never on attention weights."""

    def __init__(self, config: GPT2Config, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config, dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """[batch, time] token ids -> [batch, time, vocab_size] logits"""
        return F.linear(self.transformer(ids), self.transformer.wte.weight)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats for each target token; both arguments are [batch, time]."""
        logits = self(ids)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]).float(), targets.reshape(-1))
