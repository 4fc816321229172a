from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from explorer.types import Report, StudyMeta
from models.bidirectional import DecoderConfig
from models.checkpoint import open_checkpoint
from models.interfaces import SUMMARY_INSTRUCTION
from models.packaged import smollm2
from models.registry import load_text_encoder
from models.text import ReportTower, TowerConfig
from training.contrastive import (
    ContrastiveRecipe,
    ContrastiveStage,
    LoraConfig,
    _add_lora,
    export,
    findings_and_impressions,
)
from training.loop import LoopConfig, Run, train

RECIPE = ContrastiveRecipe(
    name="toy",
    tower=TowerConfig(layers=1, attention="causal", whitening=True, max_tokens=8),
    lora=LoraConfig(r=4, alpha=8, dropout=0.0),
    loop=LoopConfig(steps=2, warmup=1, measure_every=2, save_every=2, precision="no"),
    batch=8,
    train_tokens=8,
)
NOTES = ["Small left effusion.", "Clear lungs.", "A tube ends above the carina, no air leak is seen on either side."]


@pytest.fixture(scope="module")
def stage(made_corpus):
    return ContrastiveStage(RECIPE, smollm2())


@pytest.fixture(scope="module")
def tower(stage, tmp_path_factory):
    """The folder of a tower trained for a few steps."""
    run = Run(tmp_path_factory.mktemp("runs") / "toy")
    run.begin(RECIPE, stage.fingerprints(), resume=False)
    train(stage, RECIPE.loop, run)
    export(RECIPE, run, run.folder / "tower")
    return run.folder / "tower"


@pytest.fixture(scope="module")
def loaded(tower):
    return load_text_encoder(tower, precision="fp32", device="cpu")


def tiny_tower(first_layer):
    shape = DecoderConfig(50, 16, 32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    tower = ReportTower(shape, TowerConfig(layers=2, whitening=True))
    tower.decoder.to(torch.bfloat16)
    _add_lora(tower, LoraConfig(r=2, alpha=4, first_layer=first_layer))
    return tower


def test_adapters_and_whitening_are_trained_in_fp32_over_a_frozen_bf16_decoder():
    parameters = dict(tiny_tower(0).named_parameters())
    trained = {name: p.dtype for name, p in parameters.items() if p.requires_grad}
    frozen = {p.dtype for name, p in parameters.items() if name.startswith("decoder.") and "lora_" not in name}
    assert set(trained.values()) == {torch.float32}
    assert frozen == {torch.bfloat16}
    assert sum("lora_" in name for name in trained) == 2 * 7 * 2  # A and B, seven projections, two layers
    assert {name for name in trained if "lora_" not in name} == {"whitening.centre", "whitening.linear.weight"}


def test_adapters_start_at_the_layer_the_recipe_says():
    adapted = {name.split(".")[2] for name, _ in tiny_tower(1).named_parameters() if "lora_" in name}
    assert adapted == {"1"}


def test_whitening_spreads_out_the_vectors_before_the_first_step(stage):
    def mean_cosine(vectors):
        unit = F.normalize(vectors, dim=-1)
        return (unit @ unit.T)[~torch.eye(len(unit), dtype=torch.bool)].mean().item()

    texts = sorted({text for pair in stage._pairs(0) for text in (pair.query, pair.document)})
    with torch.no_grad():
        whitened = stage._encode(texts, [""] * len(texts))
    pooled = torch.linalg.solve(stage.trained.whitening.linear.weight, whitened.T).T + stage.trained.whitening.centre
    assert mean_cosine(pooled.detach()) > 0.5
    assert abs(mean_cosine(whitened)) < 0.02


def test_the_loss_is_a_pure_function_of_weights_and_step(stage):
    first = stage.loss(0)
    assert first.isfinite()
    assert torch.equal(first, stage.loss(0))
    assert not torch.equal(first, stage.loss(1))


def test_each_group_has_its_rate_and_nothing_is_trained_twice(stage):
    lora, whitening = stage.groups()
    trained = [parameter for parameter in stage.trained.parameters() if parameter.requires_grad]
    assert (lora["lr"], whitening["lr"]) == (RECIPE.lr_lora, RECIPE.lr_whitening)
    assert len(lora["params"]) == 14
    assert {id(p) for p in lora["params"] + whitening["params"]} == {id(p) for p in trained}


def test_validation_figures_are_recalls_and_the_first_is_their_mean(tower):
    chosen, *recalls = open_checkpoint(tower / "text").manifest["validation"].items()
    assert chosen == ("mean recall", pytest.approx(sum(recall for _, recall in recalls) / 3))
    assert [name for name, _ in recalls] == ["recall@1", "recall@5", "recall@10"]
    assert 0 < recalls[0][1] <= recalls[1][1] <= recalls[2][1] <= 1


def test_the_exported_tower_gives_the_vectors_that_training_measured(stage, tower, loaded):
    best = open_checkpoint(tower.parent / "best").tensors()
    stage.trained.load_state_dict(best, strict=False)
    stage.trained.eval()
    with torch.no_grad():
        in_training = F.normalize(stage._encode(NOTES, [SUMMARY_INSTRUCTION] * 3), dim=-1).numpy()
    assert (in_training * loaded.encode(NOTES, SUMMARY_INSTRUCTION)).sum(axis=1).min() > 0.9999
    assert np.abs(in_training[0] - in_training[1]).max() > 0.01


def test_a_run_may_go_on_from_a_trained_tower(made_corpus, tower, loaded):
    goes_on = ContrastiveStage(replace(RECIPE, start=str(tower)), smollm2())
    goes_on.trained.eval()
    with torch.no_grad():
        first = F.normalize(goes_on._encode(NOTES, [""] * 3), dim=-1).numpy()
    assert (first * loaded.encode(NOTES)).sum(axis=1).min() > 0.9999


def test_the_exported_manifest_says_what_made_it(tower):
    manifest = open_checkpoint(tower / "text").manifest
    assert manifest["tower"]["layers"] == 1
    assert manifest["lora_scale"] == 2.0
    assert "training split" in manifest["trained_on"]
    assert manifest["licence"] == "CC BY-NC 4.0"
    assert 0 < manifest["validation"]["mean recall"] < 1
    assert {tensor.dtype for tensor in open_checkpoint(tower / "text").tensors().values()} == {torch.float16}


def test_questions_and_answers_come_from_studies_with_both_sections():
    def study(**sections):
        return Report("openi:1", "openi", sections, (), StudyMeta(), "")

    reports = (
        study(findings="Clear XXXX.", impression="Normal."),
        study(findings="Clear."),
        study(impression="Normal."),
    )
    assert findings_and_impressions(reports) == (["Clear."], ["Normal."])
