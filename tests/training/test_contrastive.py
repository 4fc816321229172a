from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from models.text import TowerConfig, in_buckets
from training.adapters import LoraConfig
from training.agreeing import AgreeingConfig
from training.contrastive import ContrastiveRecipe, ContrastiveStage
from training.loop import LoopConfig, Run, train
from training.losses import contrastive
from training.pairs import documents_of, says_the_same
from training.recipe import RecipeError


@pytest.fixture(scope="module")
def recipe(tiny_llama):
    return ContrastiveRecipe(
        name="toy",
        base=str(tiny_llama),
        tower=TowerConfig(layers=2, whitening=True, max_tokens=64),
        lora=LoraConfig(r=4, alpha=8, dropout=0.0),
        loop=LoopConfig(steps=6, warmup=1, measure_every=3, save_every=3, precision="no"),
        batch=8,
        bank=3,
        lr_lora=3e-3,
        lr_pooling=3e-3,
        train_tokens=32,
        chunk_tokens=256,
    )


@pytest.fixture(scope="module")
def stage(recipe, made_corpus):
    return ContrastiveStage(recipe)


def gradients(stage, workers, step):
    stage.trained.zero_grad()
    stage.trained.eval()
    loss = stage.accumulate(step, workers)
    return loss, {name: p.grad for name, p in stage.trained.named_parameters() if p.grad is not None}


def test_the_loss_is_that_of_the_batchs_vectors_under_their_mask(stage, recipe, workers):
    pairs, bank = stage._batch(0), stage._bank(0)
    texts = [pair.query for pair in pairs] + documents_of(pairs, bank)
    asked = [pair.instruction for pair in pairs] + [""] * (len(texts) - len(pairs))
    loss = gradients(stage, workers, 0)[0]
    with torch.no_grad():
        tokens = stage._learner.student.tokenizer.pairs(texts, asked)
        vectors = in_buckets(stage.trained, tokens, torch.device("cpu"), 4_096)
        same = torch.from_numpy(says_the_same(pairs, bank))
        by_hand = contrastive(vectors[:8], vectors[8:], same, recipe.scale).item()
    assert loss == pytest.approx(by_hand, rel=1e-4)
    assert any(pair.wrong for pair in pairs)


def test_the_bank_is_drawn_anew_each_step_from_impressions_that_answer_findings(stage):
    answers = {study.impression for study in stage._studies if study.findings}
    first, again, other = (stage._bank(step) for step in (0, 0, 1))
    assert first == again != other
    assert set(first) | set(other) <= answers


def test_a_recipe_without_a_bank_has_none(recipe, stage):
    stage_ = object.__new__(ContrastiveStage)
    stage_.__dict__.update(stage.__dict__, _recipe=replace(recipe, bank=0))
    assert stage_._bank(0) == []


def test_a_step_is_a_pure_function_of_weights_and_step(stage, workers):
    first, again, other = (gradients(stage, workers, step) for step in (0, 0, 1))
    assert first[0] == again[0] != other[0]
    assert all(torch.equal(first[1][name], again[1][name]) for name in first[1])


def test_gradients_with_the_cache_are_those_without(stage, recipe, made_corpus, workers):
    plain = ContrastiveStage(replace(recipe, gradient_cache=False))
    ours, theirs = (gradients(one, workers, 0) for one in (stage, plain))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    for name, gradient in ours[1].items():
        assert torch.allclose(gradient, theirs[1][name], atol=1e-5, rtol=1e-4), name


def test_an_epoch_holds_no_pair_twice_and_the_next_one_other_pairs(stage, recipe):
    per_epoch = len(stage._pairs(0)) // recipe.batch
    batches = [stage._batch(step) for step in range(per_epoch + 2)]
    assert [pair for batch in batches[:per_epoch] for pair in batch] == stage._pairs(0)[: per_epoch * recipe.batch]
    assert batches[per_epoch] == stage._pairs(1)[: recipe.batch] != batches[0]
    assert {len(batch) for batch in batches} == {recipe.batch}


def test_a_batch_larger_than_an_epoch_is_the_whole_epoch(recipe, stage):
    stage_ = object.__new__(ContrastiveStage)
    stage_.__dict__.update(stage.__dict__, _recipe=replace(recipe, batch=100_000))
    assert stage_._batch(1) == stage._pairs(1)


def test_training_brings_queries_nearer_to_their_documents(stage, recipe, tmp_path):
    def nearness():
        pairs = stage._pairs(0)[:100]
        stage.trained.eval()
        with torch.no_grad():
            rows = [stage._learner._unit([getattr(p, part) for p in pairs], "") for part in ("query", "document")]
        queries, documents = map(torch.from_numpy, rows)
        return F.cross_entropy(20 * queries @ documents.T, torch.arange(len(pairs))).item()

    before = nearness()
    run = Run(tmp_path / "toy")
    run.begin(recipe, stage.fingerprints(), resume=False)
    train(stage, recipe.loop, run)
    assert nearness() < before - 0.02
    assert [line["step"] for line in run.curve() if "mean" in line] == [0, 3, 6]


def test_the_fingerprint_is_that_of_the_training_studies(stage):
    prints = stage.fingerprints()
    assert list(prints) == ["train"]
    assert len(prints["train"]) == 64


def test_notes_are_told_from_every_report_only_where_states_are_kept(recipe, made_corpus):
    taught = replace(recipe, agreeing=AgreeingConfig(weight=0.5, made=30, batch=4))
    with pytest.raises(RecipeError, match="kept_epochs"):
        ContrastiveStage(taught)


def test_notes_told_from_drawn_reports_teach_the_whole_tower(recipe, made_corpus, workers):
    alone = gradients(ContrastiveStage(recipe), workers, 0)[0]
    taught = ContrastiveStage(replace(recipe, agreeing=AgreeingConfig(weight=0.5, made=30, batch=4, reports=3)))
    both, given = gradients(taught, workers, 0)
    texts, instructions = taught._agreeing.texts(0)
    assert len(texts) == 4 + 3
    with torch.no_grad():
        tokens = taught._learner.student.tokenizer.pairs(texts, instructions)
        added = taught._agreeing.loss(in_buckets(taught.trained, tokens, torch.device("cpu"), 4_096), 0).item()
    assert both == pytest.approx(alone + added, rel=1e-4)
    assert any("lora" in name for name in given)


def test_the_agreement_of_notes_is_added_to_the_loss_of_pairs(recipe, made_corpus, workers):
    kept = replace(recipe, kept_epochs=1)
    alone = gradients(ContrastiveStage(kept), workers, 0)[0]
    taught = ContrastiveStage(replace(kept, agreeing=AgreeingConfig(weight=0.5, made=30, batch=4)))
    both = gradients(taught, workers, 0)[0]
    texts, instructions = taught._agreeing.texts(0)
    with torch.no_grad():
        added = taught._agreeing.loss(taught._learner._behind_kept(texts, instructions), 0).item()
    assert both == pytest.approx(alone + added, rel=1e-4)
