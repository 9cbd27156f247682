# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimiser Muon (K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).

The momentum of each weight matrix is orthogonalised: all its singular values become nearly 1, so rare directions of
the gradient count as much as frequent ones. A convolution of (outputs, inputs, k, k) is a matrix of (outputs,
inputs k k). The update is scaled to the RMS of Adam's (J. Liu et al., "Muon is scalable for LLM training", 2025), so
both optimisers take similar learning rates. Biases, and convolutions with few outputs, follow Adam.
"""
import math
from typing import Any

import torch

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration: singular values become 0.7 to 1.2
ITERATIONS = 5
ADAM_RMS = 0.2  # typical RMS of Adam's updates at learning rate 1
LEAST_OUTPUTS = 8  # convolutions with fewer, such as the last one, which gives the image, follow Adam


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Return a matrix (m, n) with the same singular vectors and singular values near 1, by Newton-Schulz."""
    a, b, c = COEFFICIENTS
    x = matrix / (matrix.norm() + 1e-12)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(ITERATIONS):
        s = x @ x.T
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for convolutions, Adam for all other parameters. Takes parameter groups as Adam does."""

    def __init__(self, groups: list[dict], betas: tuple[float, float] = (0.9, 0.99)) -> None:
        """betas: of Adam."""
        super().__init__(groups, {"lr": 0.0, "betas": betas})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.ndim == 4 and p.shape[0] >= LEAST_OUTPUTS:
                    _muon(p, self.state[p], group["lr"])
                else:
                    _adam(p, self.state[p], group["lr"], group["betas"])


def _muon(p: torch.Tensor, state: dict[str, Any], rate: float) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(p)
    momentum = state["momentum"].mul_(MOMENTUM).add_(p.grad)
    update = orthogonalised(p.grad.add(momentum, alpha=MOMENTUM).reshape(len(p), -1))  # Nesterov's momentum
    p.add_(update.reshape(p.shape), alpha=-rate * ADAM_RMS * math.sqrt(max(update.shape)))


def _adam(p: torch.Tensor, state: dict[str, Any], rate: float, betas: tuple[float, float]) -> None:
    if not state:
        state.update(mean=torch.zeros_like(p), square=torch.zeros_like(p), steps=0)
    state["steps"] += 1
    state["mean"].lerp_(p.grad, 1 - betas[0])
    state["square"].mul_(betas[1]).addcmul_(p.grad, p.grad, value=1 - betas[1])
    mean, square = (state[k] / (1 - beta ** state["steps"]) for k, beta in zip(("mean", "square"), betas))
    p.addcdiv_(mean, square.sqrt_().add_(1e-8), value=-rate)
