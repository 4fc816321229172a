from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.text import TowerConfig
from training.adapters import LoraConfig
from training.contrastive import ContrastiveRecipe, ContrastiveStage
from training.kept import KeptStates
from training.loop import LoopConfig
from training.recipe import RecipeError


def test_a_text_is_pooled_once_with_each_instruction():
    pooled = []

    def pool(texts, instructions):
        pooled.extend(zip(instructions, texts, strict=True))
        return torch.tensor(
            [[float(len(text)), float(len(one))] for text, one in zip(texts, instructions, strict=True)]
        )

    kept = KeptStates(pool)
    assert kept.of(["ab", "c", "ab"], ["", "x", ""]).tolist() == [[2, 0], [1, 1], [2, 0]]
    assert kept.of(["c", "c"], ["", "x"]).tolist() == [[1, 0], [1, 1]]
    assert pooled == [("", "ab"), ("x", "c"), ("", "c")]


@pytest.fixture(scope="module")
def recipe(tiny_llama):
    return ContrastiveRecipe(
        name="toy",
        base=str(tiny_llama),
        tower=TowerConfig(layers=2, whitening=True, depths=(1, 2), max_tokens=64),
        lora=LoraConfig(r=4, alpha=8, dropout=0.0),
        loop=LoopConfig(steps=2, warmup=1, precision="no"),
        batch=8,
        bank=2,
        train_tokens=32,
        chunk_tokens=256,
        kept_epochs=2,
    )


@pytest.fixture(scope="module")
def stages(recipe, made_corpus):
    return ContrastiveStage(recipe), ContrastiveStage(replace(recipe, kept_epochs=0))


def test_the_map_gets_the_gradient_it_has_with_the_tower_and_nothing_else_gets_any(stages, workers):
    kept, whole = stages
    losses = [stage.accumulate(0, workers) for stage in stages]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    theirs = dict(whole.trained.named_parameters())
    with_gradient = {name: p.grad for name, p in kept.trained.named_parameters() if p.grad is not None}
    assert set(with_gradient) == {"whitening.centre", "whitening.linear.weight"}
    for name, gradient in with_gradient.items():
        assert torch.allclose(gradient, theirs[name].grad, atol=1e-5, rtol=1e-3), name


def test_figures_are_those_of_the_tower_itself(stages):
    kept, whole = stages
    for stage in stages:
        stage.trained.eval()
    with torch.no_grad():
        assert kept.measure() == pytest.approx(whole.measure(), abs=0.02)


def test_the_epochs_whose_texts_are_kept_come_again(stages):
    kept, whole = stages
    assert kept._pairs(2) == kept._pairs(0) != kept._pairs(1)
    assert whole._pairs(2) != whole._pairs(0)


def test_a_tower_without_a_map_cannot_be_trained_on_kept_states(recipe, made_corpus, workers):
    plain = ContrastiveStage(replace(recipe, tower=TowerConfig(layers=2, max_tokens=64)))
    with pytest.raises(RecipeError, match="kept_epochs = 0"):
        plain.accumulate(0, workers)
