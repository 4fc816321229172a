from __future__ import annotations

from typing import get_args

import pytest
import torch

from models.interfaces import TowerError
from models.pooling import LatentAttention, Pooling, PoolingMode, Whitening, last_position, masked_mean

MODES = get_args(PoolingMode)
STATES = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [6.0, 60.0], [9.0, 90.0]]])  # [1, 4, 2]
KEPT = torch.tensor([[False, True, True, False]])  # an instruction before, padding after


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("mean", [4.0, 40.0]),  # (2 + 6) / 2
        ("weighted_mean", [14 / 3, 140 / 3]),  # (1 · 2 + 2 · 6) / 3
        ("last", [6.0, 60.0]),
    ],
)
def test_only_the_kept_tokens_are_pooled(mode, expected):
    assert torch.allclose(Pooling(mode, 2)(STATES, KEPT), torch.tensor([expected]))


def test_bf16_states_are_pooled_in_fp32():
    states, kept = torch.ones(1, 3, 8, dtype=torch.bfloat16), torch.ones(1, 3, dtype=torch.bool)
    assert {Pooling(mode, 8)(states, kept).dtype for mode in MODES} == {torch.float32}


def test_an_unknown_mode_is_answered_with_the_known_ones():
    with pytest.raises(TowerError) as refused:
        Pooling("median", 8)
    assert str(refused.value) == (
        "Invalid pooling mode: 'median'. Valid modes are: mean, weighted_mean, last, cls, latent_attention."
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_vector_never_depends_on_its_batch_mates(mode):
    torch.manual_seed(1)
    pooling = Pooling(mode, 16).eval()
    states, lengths = torch.randn(5, 9, 16), [9, 1, 4, 7, 2]
    kept = torch.arange(9) < torch.tensor(lengths)[:, None]
    together = pooling(states, kept)
    for row, length in enumerate(lengths):
        alone = pooling(states[row : row + 1, :length], kept[row : row + 1, :length])
        assert torch.allclose(together[row], alone[0], atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_states_that_are_not_kept_change_nothing(mode):
    torch.manual_seed(1)
    pooling = Pooling(mode, 16).eval()
    states = torch.randn(2, 6, 16)
    kept = torch.tensor([[False, True, True, True, False, False], [True] * 6])
    others = torch.where(kept[:, :, None], states, torch.tensor(1e4))
    assert torch.equal(pooling(states, kept), pooling(others, kept))


def test_latent_attention_computed_by_hand():
    torch.manual_seed(2)
    pooling = LatentAttention(width=4, latents=3, heads=1)
    states = torch.randn(1, 2, 4)
    query, key, value = pooling.multihead_attn.in_proj_weight.chunk(3)
    weights = ((states[0] @ query.T) @ (pooling.latents @ key.T).T / 2).softmax(dim=-1)  # scaled by √4
    mixed = pooling.multihead_attn.out_proj(weights @ (pooling.latents @ value.T))
    expected = pooling.mlp(mixed).mean(dim=0)
    assert torch.allclose(pooling(states, torch.tensor([[True, True]]))[0], expected, atol=1e-6)


def test_weights_of_a_mean_are_normalised():
    weighted = masked_mean(STATES, torch.tensor([[1.0, 0.0, 0.0, 3.0]]))
    assert torch.allclose(weighted, torch.tensor([[7.0, 70.0]]))


def test_the_last_kept_position_is_found_wherever_it_is():
    kept = torch.tensor([[True, False, False], [True, True, True], [False, True, False]])
    assert last_position(kept).tolist() == [0, 2, 1]


def outlying_vectors():
    """Correlated channels, one of which is thousands of times larger, as in a decoder's states."""
    torch.manual_seed(3)
    vectors = torch.randn(4_000, 12) @ torch.randn(12, 12)
    vectors[:, 5] = 8_000 + 300 * vectors[:, 5]
    return vectors


def test_whitening_without_shrinkage_gives_unit_covariance_despite_an_outlier_channel():
    vectors = outlying_vectors()
    whitening = Whitening(12)
    whitening.fit(vectors, shrinkage=0.0)
    white = whitening(vectors)
    assert torch.allclose(white.mean(dim=0), torch.zeros(12), atol=1e-2)
    assert torch.allclose(torch.cov(white.T), torch.eye(12), atol=1e-2)


def test_full_shrinkage_only_standardises_each_channel():
    vectors = outlying_vectors()
    whitening = Whitening(12)
    whitening.fit(vectors, shrinkage=1.0)
    assert torch.allclose(whitening.linear.weight, torch.diag(1 / vectors.std(dim=0)), rtol=1e-4, atol=1e-7)


def test_whitening_survives_a_constant_channel_and_few_vectors():
    vectors = outlying_vectors()[:8]
    vectors[:, 2] = 1.5
    whitening = Whitening(12)
    whitening.fit(vectors, shrinkage=0.2)
    assert whitening(vectors).isfinite().all()
    assert whitening(vectors).abs().max() < 100


def test_an_unfitted_whitening_starts_centred_at_zero():
    assert torch.equal(Whitening(3).centre, torch.zeros(3))
