"""Muon: momentum whose update is orthogonalised, for the hidden weight matrices.

Algorithm: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), with the scale
0.2 * sqrt(max(rows, columns)) of Liu et al., "Muon is Scalable for LLM Training" (arXiv:2502.16982, section 2.2), so
that learning rate and weight decay are those of AdamW. Matrices are handled in groups of equal shape, as one batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients from the first reference


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Brings all singular values of [n, rows, columns] (rows <= columns) close to one."""
    a, b, c = NEWTON_SCHULZ
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.bfloat16()
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.float()


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay.

    A parameter in `fused` is several matrices side by side along its last axis (query, key and value); each of them is
    orthogonalised by itself.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for param in group["params"]:
                if param.grad is not None:
                    self._collect(param, group["momentum"], by_shape)
            for (rows, columns), pairs in by_shape.items():
                updates = orthogonalise(torch.stack([update for _, update in pairs]))
                scale = 0.2 * max(rows, columns) ** 0.5
                for (view, _), update in zip(pairs, updates, strict=True):
                    view.mul_(1 - group["lr"] * group["weight_decay"])
                    view.add_(update, alpha=-group["lr"] * scale)

    def _collect(
        self, param: Tensor, momentum: float, by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]]
    ) -> None:
        """Updates the momentum and files (view of the weights, direction) under the view's wide shape."""
        state = self.state[param]
        buffer = state.setdefault("momentum", torch.zeros_like(param))
        buffer.lerp_(param.grad, 1 - momentum)
        direction = param.grad.lerp(buffer, momentum)
        rows, columns = param.shape
        parts = 3 if columns == 3 * rows else 1
        for view, update in zip(param.chunk(parts, 1), direction.chunk(parts, 1), strict=True):
            wide = view.shape[0] <= view.shape[1]
            pair = (view, update) if wide else (view.mT, update.mT)
            by_shape[(pair[0].shape[0], pair[0].shape[1])].append(pair)
