from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from explorer.corpora import openi
from explorer.corpora.split import in_split
from models.checkpoint import save_checkpoint
from models.interfaces import CxrError
from models.text import TowerConfig
from training.adapters import LoraConfig
from training.contrastive import ContrastiveRecipe
from training.learner import Learner
from training.loop import LoopConfig
from training.texts import every_text, told

TEXTS = ["There is small pleural effusion on the left.", "no finding", "The trachea is in the midline. " * 3]
ASKED = ["heart shadow beyond", "", ""]


@pytest.fixture(scope="module")
def recipe(tiny_llama):
    return ContrastiveRecipe(
        name="toy",
        base=str(tiny_llama),
        tower=TowerConfig(layers=2, pooling="latent_attention", whitening=True, max_tokens=64),
        lora=LoraConfig(r=2, alpha=4),
        loop=LoopConfig(steps=2, precision="no"),
        train_tokens=16,
        chunk_tokens=160,
    )


@pytest.fixture(scope="module")
def corpus(made_corpus):
    return openi.read()


@pytest.fixture(scope="module")
def texts(corpus):
    return every_text(told(in_split(corpus.reports, "train")))


@pytest.fixture(scope="module")
def learner(recipe, corpus, texts):
    return Learner(recipe, corpus, texts)


def test_chunks_hold_every_row_once_within_the_recipes_size(learner):
    chunks = learner.chunks(TEXTS * 12, ASKED * 12)
    assert sorted(row for rows, _ in chunks for row in rows) == list(range(36))
    assert len(chunks) > 1
    for rows, batch in chunks:
        assert len(rows) == len(batch.ids)
        assert batch.ids.numel() <= 160
        assert batch.ids.shape[1] <= 16


def test_an_instruction_is_read_and_never_pooled(learner):
    for rows, batch in learner.chunks(TEXTS[:2], ASKED[:2]):
        for row, attended, kept in zip(rows, batch.attended, batch.kept, strict=True):
            assert int(attended.sum() - kept.sum()) == (4 if row == 0 else 0)  # "heart shadow beyond;"


def test_a_recipe_may_ask_without_instructions(recipe, corpus, texts):
    plain = Learner(replace(recipe, instructed=False), corpus, texts[:80])
    for _, batch in plain.chunks(TEXTS, ASKED):
        assert torch.equal(batch.attended, batch.kept)


def test_what_starts_at_random_follows_the_seed(recipe, corpus, texts, learner):
    def latents(seed):
        torch.rand(3)  # whatever was drawn before
        again = Learner(replace(recipe, loop=replace(recipe.loop, seed=seed)), corpus, texts[:80])
        return dict(again.tower.named_parameters())

    same, other = latents(recipe.loop.seed), latents(7)
    for name in ("pooling.latent_attn.latents", "decoder.layers.0.self_attn.q_proj.lora_A.default.weight"):
        assert torch.equal(same[name], dict(learner.tower.named_parameters())[name]), name
        assert not torch.equal(same[name], other[name]), name


def test_each_part_has_its_rate_and_nothing_is_trained_twice(learner, recipe):
    language, pooling = learner.groups()
    assert (language["lr"], pooling["lr"]) == (recipe.lr_lora, recipe.lr_pooling)
    trained = {id(p) for p in learner.tower.parameters() if p.requires_grad}
    listed = [id(p) for group in (language, pooling) for p in group["params"]]
    assert len(listed) == len(set(listed))
    assert set(listed) == trained
    assert len(language["params"]) == 2 * 7 * 2


def test_whitening_spreads_out_the_vectors_before_the_first_step(recipe, corpus, texts):
    @torch.no_grad()
    def mean_cosine(whitening):
        tower = replace(recipe.tower, pooling="mean", whitening=whitening)
        learner = Learner(replace(recipe, tower=tower), corpus, texts)
        learner.tower.eval()
        unit = learner._unit(texts[:200], "")
        return ((unit @ unit.T).sum() - len(unit)) / (len(unit) * (len(unit) - 1))

    assert mean_cosine(True) < mean_cosine(False) / 2  # the first 200 texts alone are more alike than all of them


def test_a_start_that_does_not_fit_the_recipe_is_refused(recipe, corpus, texts, tmp_path):
    wrong = {"lora.layers.0.self_attn.q_proj.lora_A": torch.zeros(8, 32)}
    save_checkpoint(tmp_path / "run" / "tower" / "text", wrong, {})
    with pytest.raises(CxrError, match="does not fit this recipe"):
        Learner(replace(recipe, start=str(tmp_path / "run")), corpus, texts)


def test_a_start_with_a_whitening_map_keeps_it(recipe, corpus, texts, tmp_path):
    kept = {"whitening.centre": torch.full((32,), 3.0), "whitening.linear.weight": torch.eye(32)}
    save_checkpoint(tmp_path / "run" / "tower" / "text", kept, {})
    whitening = Learner(replace(recipe, start=str(tmp_path / "run")), corpus, texts).tower.whitening
    assert torch.equal(whitening.centre, kept["whitening.centre"])
    assert torch.equal(whitening.linear.weight, kept["whitening.linear.weight"])


@torch.no_grad()
def test_figures_are_those_of_the_validation_split_asked_with_this_tower(learner):
    learner.tower.eval()
    figures = learner.measure()
    assert figures == learner._validation.figures(learner._unit, True)
    assert next(iter(figures)) == "mean"
    assert all(0 <= value <= 1 for value in figures.values())
