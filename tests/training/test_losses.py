from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from training.losses import contrastive, semantic_targets, soft_cross_entropy

ALIKE_ONLY_ITSELF = torch.eye(2, dtype=torch.bool)
EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def test_contrastive_loss_computed_by_hand():
    queries, documents = torch.tensor([EAST, NORTH]), torch.tensor([EAST, [3.0, 4.0]])  # cosines 1 .6 / 0 .8
    first = math.log(1 + math.exp(10 * (0.6 - 1)))
    second = math.log(1 + math.exp(10 * (0.0 - 0.8)))
    assert contrastive(queries, documents, ALIKE_ONLY_ITSELF, 10.0).item() == pytest.approx(
        (first + second) / 2, rel=1e-4
    )


def test_the_length_of_a_vector_plays_no_part():
    torch.manual_seed(0)
    queries, documents = torch.randn(4, 8), torch.randn(4, 8)
    same = torch.eye(4, dtype=torch.bool)
    assert torch.allclose(
        contrastive(queries, documents, same, 5.0), contrastive(7 * queries, documents / 3, same, 5.0)
    )


def test_hard_negatives_come_after_the_positives_and_count_for_every_query():
    queries, documents = torch.tensor([EAST, NORTH]), torch.tensor([EAST, NORTH, [-1.0, 0.0]])
    same = torch.zeros(2, 3, dtype=torch.bool)
    first = math.log(1 + math.exp(0 - 1) + math.exp(-1 - 1))
    second = math.log(1 + math.exp(0 - 1) + math.exp(0 - 1))
    assert contrastive(queries, documents, same, 1.0).item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_a_document_that_says_the_same_is_no_negative():
    """Two of three documents are one text: unguarded, each query would be pushed away from its own answer."""
    queries = torch.tensor([EAST, EAST, NORTH])
    documents = torch.tensor([EAST, EAST, NORTH])
    twins = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    guarded = contrastive(queries, documents, twins, 20.0).item()
    unguarded = contrastive(queries, documents, torch.eye(3).bool(), 20.0).item()
    assert guarded == pytest.approx(0, abs=1e-6)
    assert unguarded == pytest.approx(2 / 3 * math.log(2), rel=1e-4)


def test_a_masked_twin_gets_no_gradient_and_an_unmasked_one_is_pushed_away():
    def gradient(same):
        documents = torch.tensor([EAST, [0.9, 0.4]], requires_grad=True)
        contrastive(torch.tensor([EAST, NORTH])[:1], documents, same, 5.0).backward()
        return documents.grad[1].abs().sum().item()

    assert gradient(torch.tensor([[True, True]])) == 0
    assert gradient(torch.tensor([[True, False]])) > 0.1


def test_the_own_document_counts_whatever_the_guard_says():
    queries, documents = torch.tensor([EAST, NORTH]), torch.tensor([EAST, NORTH])
    without = contrastive(queries, documents, torch.zeros(2, 2).bool(), 3.0)
    assert torch.equal(without, contrastive(queries, documents, ALIKE_ONLY_ITSELF, 3.0))
    assert contrastive(queries, documents, torch.ones(2, 2).bool(), 3.0).item() == 0


def test_semantic_targets_are_distributions_that_favour_shared_labels():
    images = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0]])
    reports = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
    targets = semantic_targets(images, reports, 0.2)
    assert targets.shape == (3, 4)
    assert torch.allclose(targets.sum(dim=1), torch.ones(3))
    assert targets.argmax(dim=1).tolist() == [0, 3, 2]  # {b, c} is nearer {a, b, c} (√⅔) than {b} (√½)


def test_semantic_targets_computed_by_hand():
    targets = semantic_targets(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]), 0.5)
    odds = math.exp(math.sqrt(0.5) / 0.5)  # cosine 1/√2 against 0
    assert targets[0].tolist() == pytest.approx([odds / (odds + 1), 1 / (odds + 1)])


def test_soft_cross_entropy_equals_cross_entropy_for_one_hot_targets():
    torch.manual_seed(0)
    logits, answers = torch.randn(5, 7), torch.tensor([0, 6, 3, 3, 1])
    soft = soft_cross_entropy(logits, F.one_hot(answers, 7).float())
    assert torch.allclose(soft, F.cross_entropy(logits, answers))


def test_soft_cross_entropy_is_least_where_prediction_and_target_agree():
    target = torch.tensor([[0.7, 0.2, 0.1]])
    least = soft_cross_entropy(target.log(), target)
    assert least.item() == pytest.approx(-sum(p * math.log(p) for p in (0.7, 0.2, 0.1)), rel=1e-5)
    assert soft_cross_entropy(torch.tensor([[0.0, 1.0, 0.0]]), target) > least
