"""Byte weights against the decoder they were made of."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tiny_towers import byte_tokenizer, tiny_info, tiny_tower
from torch.nn import functional as F

from models.int8 import PARTS, ByteLinear, multiplies_bytes, put_bytes
from models.precision import Placement
from models.quantizing import byte_weights, rounded, watch
from models.text import DecoderTextEncoder, TextTokenizer, pad

pytestmark = pytest.mark.skipif(not multiplies_bytes(), reason="this CPU does not multiply bytes natively")
NOTES = ["Small left effusion.", "Clear lungs.", "A tube ends above the carina, no air leak on either side.", "Normal."]
FINE = frozenset(PARTS)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def byte_linear(fine: bool) -> tuple[ByteLinear, torch.Tensor]:
    values, scale = (draw(24, 32) * 40).round().clamp(-127, 127).to(torch.int8), draw(24, seed=1).abs() + 0.01
    return ByteLinear(values, scale, fine=fine), values * scale[:, None]


def bytes_of(tower, fine=FINE):
    tower = copy.deepcopy(tower)
    pairs = TextTokenizer(byte_tokenizer(), 64).pairs(NOTES, [""] * len(NOTES))
    seen = watch(tower, [pad(pairs)])
    put_bytes(tower.decoder, byte_weights(tower.decoder, seen, fine, lambda share: None), fine)
    return tower


def encoder_of(tower, precision):
    return DecoderTextEncoder(
        tower, TextTokenizer(byte_tokenizer(), 64), tiny_info(64), Placement(torch.device("cpu"), precision)
    )


def test_sixteen_bits_of_a_token_lose_next_to_nothing_beside_a_channel_of_thousands():
    linear, weight = byte_linear(fine=True)
    x = draw(2, 5, 32, seed=2)
    x[..., 3] = 800.0
    expected = F.linear(x, weight)
    assert (linear(x) - expected).abs().max() < 2e-4 * expected.abs().max()


def test_eight_bits_of_a_token_err_by_their_step_at_most():
    linear, weight = byte_linear(fine=False)
    x = draw(2, 5, 32, seed=2)
    step = x.abs().amax(-1, keepdim=True) / 127
    most = step / 2 * weight.abs().sum(1) * 1.001
    assert ((linear(x) - F.linear(x, weight)).abs() <= most).all()


def test_a_factor_multiplies_each_tokens_output():
    linear, _ = byte_linear(fine=True)
    x, factor = draw(2, 5, 32, seed=2), draw(2, 5, 1, seed=3)
    assert torch.allclose(linear(x, factor), linear(x) * factor, rtol=1e-5)


def test_a_token_of_zeros_gives_zeros():
    linear, _ = byte_linear(fine=True)
    assert linear(torch.zeros(1, 1, 32)).abs().max() == 0


def test_rounding_with_an_eye_on_the_inputs_errs_less_in_the_products_than_rounding_to_the_nearest():
    x = draw(400, 8) @ draw(8, 32, seed=1) + 0.1 * draw(400, 32, seed=2)
    weight = draw(16, 32, seed=3)
    values, scale = rounded(weight, x.T @ x)
    plain = (weight / scale[:, None]).round() * scale[:, None]
    truth = x @ weight.T
    error, plain_error = ((x @ w.T - truth).square().mean() for w in (values * scale[:, None], plain))
    assert values.dtype == torch.int8
    assert error < 0.25 * plain_error


def test_one_input_alone_is_rounded_to_the_nearest_step():
    values, scale = rounded(torch.tensor([[1.27], [-0.5]]), torch.ones(1, 1))
    assert scale.tolist() == pytest.approx([0.01, 0.5 / 127])
    assert values.tolist() == [[127], [-127]]


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(("fine", "least"), [(FINE, 0.9995), (frozenset({"qkv", "down"}), 0.998)])
def test_a_tower_with_byte_weights_says_what_it_said_before(attention, fine, least):
    tower = tiny_tower(attention=attention)
    before = encoder_of(tower, "fp32").encode(NOTES)
    after = encoder_of(bytes_of(tower, fine), "int8").encode(NOTES)
    assert (before * after).sum(axis=1).min() > least
    assert np.abs(before - after).max() > 0


def test_its_vectors_do_not_depend_on_batch_mates():
    encoder = encoder_of(bytes_of(tiny_tower()), "int8")
    alone = np.concatenate([encoder.encode([note]) for note in NOTES])
    assert np.abs(alone - encoder.encode(NOTES)).max() < 1e-5


def test_it_takes_less_memory_than_bf16():
    tower = tiny_tower()
    small, half = encoder_of(bytes_of(tower), "int8"), encoder_of(tower, "bf16")
    assert small.decoder_bytes < half.decoder_bytes
