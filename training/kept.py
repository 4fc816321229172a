"""Pooled states of texts, made once: for a stage that trains only what lies behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Pool = Callable[[Sequence[str], Sequence[str]], Tensor]  # texts, their instructions → [n, p]


class KeptStates:
    """Remembers the pooled states of every (instruction, text) that was asked for."""

    def __init__(self, pool: Pool) -> None:
        """`pool` must give a text the same states each time: nothing before them may be trained."""
        self._pool = pool
        self._states: dict[tuple[str, str], Tensor] = {}

    @torch.no_grad()
    def of(self, texts: Sequence[str], instructions: Sequence[str]) -> Tensor:
        """Return pooled states [n, p] of texts, each made when it is first asked for."""
        asked = list(zip(instructions, texts, strict=True))
        new = [one for one in dict.fromkeys(asked) if one not in self._states]
        if new:
            made = self._pool([text for _, text in new], [instruction for instruction, _ in new])
            self._states |= dict(zip(new, made, strict=True))
        return torch.stack([self._states[one] for one in asked])
