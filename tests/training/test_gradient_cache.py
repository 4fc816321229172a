from __future__ import annotations

import pytest
import torch
from torch import nn

from models.text import pad
from training.gradient_cache import accumulate_in_chunks
from training.losses import contrastive

TEXTS = [[3, 4], [5, 6, 7], [8], [3, 9, 9, 4], [5], [7, 7, 6]]
CHUNKINGS = {"one": [[0, 1, 2, 3, 4, 5]], "three": [[3, 1], [5, 0, 4], [2]], "each its own": [[n] for n in range(6)]}
SAME = torch.eye(3, 3, dtype=torch.bool)


class Tower(nn.Module):
    """Batch → [n, 4], with dropout."""

    def __init__(self, dropout):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(10, 8)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(8, 4)

    def forward(self, batch):
        kept = batch.kept.float()[..., None]
        return self.out(self.drop(torch.tanh((self.table(batch.ids) * kept).sum(dim=1))))


def chunks_of(rows):
    return [(part, pad([([], TEXTS[row]) for row in part])) for part in rows]


def loss_of(vectors):
    return contrastive(vectors[:3], vectors[3:], SAME, 5.0)


def gradients(workers, rows, cached, dropout, seed=1):
    tower = Tower(dropout).train()
    loss = accumulate_in_chunks(tower, chunks_of(rows), loss_of, workers, seed, cached)
    return loss, {name: parameter.grad for name, parameter in tower.named_parameters()}


def assert_equal(ours, theirs, within=1e-6):
    assert ours[0] == pytest.approx(theirs[0], abs=within)
    for name, gradient in ours[1].items():
        assert (gradient - theirs[1][name]).abs().max() < within, name


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("rows", CHUNKINGS.values(), ids=CHUNKINGS)
def test_loss_and_gradients_with_the_cache_are_those_without(workers, rows, dropout):
    plain = gradients(workers, rows, cached=False, dropout=dropout)
    assert_equal(gradients(workers, rows, cached=True, dropout=dropout), plain)
    assert max(gradient.abs().max() for gradient in plain[1].values()) > 1e-3


@pytest.mark.parametrize("cached", [False, True])
def test_how_the_batch_is_cut_changes_nothing(workers, cached):
    whole, *others = (gradients(workers, rows, cached, dropout=0.0) for rows in CHUNKINGS.values())
    for other in others:
        assert_equal(other, whole)


def test_gradients_are_those_of_the_loss_over_the_whole_batch(workers):
    tower = Tower(0.0)
    loss = loss_of(tower(pad([([], text) for text in TEXTS])))
    loss.backward()
    by_hand = loss.item(), {name: parameter.grad for name, parameter in tower.named_parameters()}
    assert_equal(gradients(workers, CHUNKINGS["three"], cached=True, dropout=0.0), by_hand)


def test_dropout_is_drawn_from_the_seed_and_the_chunk(workers):
    first = gradients(workers, CHUNKINGS["three"], cached=True, dropout=0.5)
    torch.rand(7)  # whatever was drawn before
    assert gradients(workers, CHUNKINGS["three"], cached=True, dropout=0.5)[0] == first[0]
    assert gradients(workers, CHUNKINGS["three"], cached=True, dropout=0.5, seed=2)[0] != first[0]


def test_gradients_are_added_to_those_that_are_there(workers):
    tower = Tower(0.0)
    for _ in range(2):
        accumulate_in_chunks(tower, chunks_of(CHUNKINGS["three"]), loss_of, workers, 1, True)
    once = gradients(workers, CHUNKINGS["three"], cached=True, dropout=0.0)[1]
    assert torch.allclose(tower.out.weight.grad, 2 * once["out.weight"], atol=1e-6)
