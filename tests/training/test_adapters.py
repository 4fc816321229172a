from __future__ import annotations

import pytest
import torch

from models.bidirectional import DecoderConfig
from models.checkpoint import open_checkpoint, save_checkpoint
from models.interfaces import CxrError
from models.text import ALL_TARGETS, ReportTower, TowerConfig
from training.adapters import LoraConfig, go_on_from, make_trainable, shipped, shipped_name, training_name

SHAPE = DecoderConfig(50, 16, 32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
Q = "layers.1.self_attn.q_proj"


def tiny_tower(lora=LoraConfig(r=2, alpha=4), dtype=torch.bfloat16):  # noqa: B008 - frozen
    torch.manual_seed(0)
    tower = ReportTower(SHAPE, TowerConfig(layers=2, whitening=True))
    tower.decoder.to(dtype)
    make_trainable(tower.decoder, ALL_TARGETS, 2, lora)
    return tower


def trained_names(tower):
    return [name for name, parameter in tower.decoder.named_parameters() if parameter.requires_grad]


def test_adapters_are_trained_in_fp32_over_a_frozen_bf16_decoder():
    parameters = dict(tiny_tower().decoder.named_parameters())
    trained = {name: p.dtype for name, p in parameters.items() if p.requires_grad}
    frozen = {p.dtype for p in parameters.values() if not p.requires_grad}
    assert len(trained) == 2 * 7 * 2  # A and B, seven projections, two layers
    assert all(".lora_" in name for name in trained)
    assert set(trained.values()) == {torch.float32}
    assert frozen == {torch.bfloat16}


def test_adapters_change_nothing_before_the_first_step():
    ids = torch.tensor([[3, 4, 5]])
    attended = torch.ones_like(ids).bool()
    with torch.no_grad():
        adapted = tiny_tower(dtype=torch.float32).eval().decoder(ids, attended)
        torch.manual_seed(0)
        plain = ReportTower(SHAPE, TowerConfig(layers=2, whitening=True)).eval().decoder(ids, attended)
    assert torch.equal(adapted, plain)


def test_adapters_start_at_the_layer_the_recipe_says():
    names = trained_names(tiny_tower(LoraConfig(r=2, alpha=4, first_layer=1)))
    assert {name.split(".")[1] for name in names} == {"1"}


def test_everything_may_be_trained_in_fp32():
    tower = tiny_tower(LoraConfig(train="everything"))
    assert trained_names(tower) == [name for name, _ in tower.decoder.named_parameters()]
    assert {parameter.dtype for parameter in tower.decoder.parameters()} == {torch.float32}
    assert not any("lora" in name for name in trained_names(tower))


def test_names_go_to_the_shipped_ones_and_back():
    inside = f"decoder.{Q}.lora_A.default.weight"
    assert shipped_name(inside) == f"lora.{Q}.lora_A"
    assert training_name(f"lora.{Q}.lora_A", "decoder") == inside
    assert training_name("lora.encoder.layer.0.output.dense.lora_B", "bert").startswith("bert.encoder.layer.0.")
    for other in ("whitening.centre", "decoder.norm.weight", "pooling.latent_attn.latents"):
        assert training_name(shipped_name(other), "decoder") == shipped_name(other) == other


def test_weights_are_shipped_in_fp16():
    weights = shipped({f"decoder.{Q}.lora_B.default.weight": torch.ones(2, 2), "whitening.centre": torch.ones(2)})
    assert set(weights) == {f"lora.{Q}.lora_B", "whitening.centre"}
    assert {value.dtype for value in weights.values()} == {torch.float16}


@pytest.fixture
def saved(tmp_path):
    def save(**tensors):
        save_checkpoint(tmp_path / "text", {key.replace("__", "."): value for key, value in tensors.items()}, {})
        return open_checkpoint(tmp_path / "text")

    return save


def test_a_later_stage_takes_over_what_an_earlier_one_trained(saved):
    earlier = tiny_tower()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in earlier.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape).half())
    trained = {name: p.detach() for name, p in earlier.named_parameters() if p.requires_grad}
    later = tiny_tower()
    go_on_from(later, saved(**shipped(trained)), "decoder")
    for name, parameter in later.named_parameters():
        if parameter.requires_grad:
            assert torch.equal(parameter, trained[name]), name


def test_a_part_that_the_earlier_stage_lacks_keeps_its_start(saved):
    later = tiny_tower()
    before = later.whitening.linear.weight.clone()
    go_on_from(later, saved(**{f"lora.{Q}.lora_A": torch.ones(2, 16).half()}), "decoder")
    assert torch.equal(later.whitening.linear.weight, before)
    assert torch.equal(later.decoder.get_parameter(f"{Q}.lora_A.default.weight"), torch.ones(2, 16))


def test_the_base_that_a_checkpoint_carries_is_not_taken_over(saved):
    later = tiny_tower()
    before = later.decoder.norm.weight.clone()
    go_on_from(later, saved(**{"base.norm.weight": torch.full((16,), 9.0)}), "decoder")
    assert torch.equal(later.decoder.norm.weight, before)


def test_everything_that_was_trained_goes_on_being_trained(saved):
    later = tiny_tower(LoraConfig(train="everything"))
    go_on_from(later, saved(**{f"decoder.{Q}.weight": torch.full((16, 16), 3.0)}), "decoder")
    assert (later.decoder.get_parameter(f"{Q}.weight") == 3).all()


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        (f"lora.{Q}.lora_A", (4, 16)),  # another rank
        ("lora.layers.7.self_attn.q_proj.lora_A", (2, 16)),  # a layer that is not there
        (f"decoder.{Q}.weight", (16, 16)),  # trained whole, now under adapters
        ("pooling.latent_attn.latents", (512, 16)),
    ],
)
def test_an_earlier_tower_of_another_shape_is_refused(saved, key, shape):
    with pytest.raises(CxrError, match="does not fit this recipe: "):
        go_on_from(tiny_tower(), saved(**{key: torch.zeros(shape)}), "decoder")
