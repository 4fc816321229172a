"""A contrastive batch larger than memory: GradCache, https://arxiv.org/abs/2101.06983.

The loss needs all vectors at once, a gradient needs the activations of one chunk at a time. So the vectors are made
without activations, the loss gives the gradient of each vector, and each chunk is made again to carry its vectors' part
back. Several workers share a batch in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from models.text import Batch
    from training.loop import Workers
    from training.paired import Films

Chunk = tuple[list[int], "Batch | Films"]  # rows of the batch, and what they are made of


def accumulate_in_chunks(
    tower: nn.Module,
    chunks: Sequence[Chunk],
    loss_of: Callable[[Tensor], Tensor],
    workers: Workers,
    seed: int,
    cached: bool,
) -> float:
    """Add the gradients of a loss over the vectors of all chunks, and return the loss.

    Args:
        tower: what a chunk is made of → [n, d].
        chunks: the batch in parts; their rows together are 0 … n − 1.
        loss_of: all vectors [n, d], in the order of their rows → scalar.
        workers: each takes a share of the chunks; the gradients of all add up to the whole.
        seed: makes dropout the same both times.
        cached: hold one chunk's activations at a time. Without it a lone worker holds all of them, and saves a third
            of the work.
    """
    if workers.count == 1 and not cached:
        made = [_made(tower, chunk, workers, seed + number) for number, chunk in enumerate(chunks)]
        loss = loss_of(_ordered(torch.cat(made), chunks))
        workers.backward(loss)
        return loss.item()
    own = list(workers.share(list(enumerate(chunks))))
    with torch.no_grad():
        made = [_made(tower, chunk, workers, seed + number) for number, chunk in own]
    device = next(tower.parameters()).device
    rows = torch.cat(made) if made else torch.empty(0, device=device)  # more workers than chunks
    vectors = _ordered(workers.gather(rows), chunks).requires_grad_(True)
    loss = loss_of(vectors)
    workers.backward(loss / workers.count)  # every worker has the whole loss, and what it trains besides the tower
    for number, chunk in own:
        gradients = vectors.grad[chunk[0]] * workers.count  # type: ignore[index]
        workers.backward((_made(tower, chunk, workers, seed + number) * gradients).sum())
    return loss.item()


def _ordered(vectors: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    """From the order of the chunks to that of the rows."""
    order = torch.tensor([row for rows, _ in chunks for row in rows], device=vectors.device)
    return vectors[order.argsort()]


def _made(tower: nn.Module, chunk: Chunk, workers: Workers, seed: int) -> Tensor:
    torch.manual_seed(seed)
    with workers.autocast():
        return tower(chunk[1]).float()  # type: ignore[no-any-return]
