from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from models.checkpoint import open_checkpoint, save_checkpoint
from models.text import TowerConfig
from training import average
from training.adapters import LoraConfig
from training.average import AverageRecipe, between
from training.contrastive import ContrastiveRecipe, ContrastiveStage
from training.loop import LoopConfig, Run, train
from training.recipe import RecipeError
from training.towers import export_tower

MAP = "whitening.linear.weight"


def test_a_share_of_the_way_is_gone_from_the_map_before_to_the_one_after():
    before, after = {"w": torch.tensor([0.0, 8.0]).half()}, {"w": torch.tensor([4.0, 0.0]).half()}
    assert between(before, after, 0.25)["w"].tolist() == [1.0, 6.0]
    assert between(before, after, 0.0)["w"].tolist() == [0.0, 8.0]


@pytest.fixture
def runs(tiny_llama, made_corpus, tmp_path, monkeypatch):
    """Two runs, the second of which went on with the map of the first; and the recipe between them."""
    monkeypatch.chdir(tmp_path)
    first = ContrastiveRecipe(
        name="toy",
        base=str(tiny_llama),
        tower=TowerConfig(layers=2, whitening=True, max_tokens=64),
        lora=LoraConfig(r=4, alpha=8, dropout=0.0),
        loop=LoopConfig(steps=1, warmup=0, precision="no"),
        batch=8,
        lr_pooling=0.1,
        train_tokens=32,
        chunk_tokens=256,
        kept_epochs=1,
    )
    second = replace(first, start="runs/one")
    for name, recipe in (("one", first), ("two", second)):
        stage, run = ContrastiveStage(recipe), Run(tmp_path / "runs" / name)
        run.begin(recipe, stage.fingerprints(), False)
        train(stage, recipe.loop, run)
        save_checkpoint(run.folder / "best", _weights(stage), {"step": 1, "measured": {"mean": 0.0}})
        export_tower(recipe, stage.source, run)
    shared = {key: getattr(second, key) for key in ("name", "base", "tower", "lora", "loop", "train_tokens")}
    return AverageRecipe(
        **shared, start="runs/two", kept_epochs=1, before="runs/one", shares=(0.0, 0.5, 1.0), chosen_by=("errors told",)
    )


def _weights(stage):
    return {name: p for name, p in stage.trained.named_parameters() if p.requires_grad}


def follow(recipe, monkeypatch, figures):
    """Average as the recipe says; the figures are given in the order of the shares."""
    told = iter(figures)
    monkeypatch.setattr(average, "load_recipe", lambda _file, _record: recipe)
    monkeypatch.setattr(average.Learner, "measure", lambda _self: {"mean": 1.0, "errors told": next(told)})
    average.run_recipe(average.Path("between.toml"), resume=False)


def test_the_share_with_the_best_figures_is_exported_between_both_maps(runs, monkeypatch, tmp_path):
    follow(runs, monkeypatch, (0.2, 0.4, 0.3))
    maps = [
        open_checkpoint(tmp_path / "runs" / one / "tower" / "text").tensors()[MAP] for one in ("one", "between", "two")
    ]
    assert torch.allclose(maps[1].float(), (maps[0].float() + maps[2].float()) / 2, atol=2e-3)
    assert not torch.allclose(maps[0].float(), maps[2].float(), atol=2e-3)
    manifest = open_checkpoint(tmp_path / "runs" / "between" / "tower" / "text").manifest
    assert [stage["run"] for stage in manifest["stages"]] == ["one", "two", "between"]
    assert manifest["stages"][-1]["validation"] == {"mean": 1.0, "errors told": 0.4}
    assert manifest["stages"][-1]["step"] == 1  # the second share
    curve = (tmp_path / "runs" / "between" / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["share"] for line in curve] == [0.0, 0.5, 1.0]


@pytest.fixture
def adapted(runs, tmp_path):
    """The same two runs, where the second trained its adapters too."""
    folder = tmp_path / "runs" / "two" / "tower" / "text"
    trained = open_checkpoint(folder)
    manifest = {key: value for key, value in trained.manifest.items() if key != "files"}
    changed = {key: value + 1 if "lora_A" in key else value for key, value in trained.tensors().items()}
    files = {"tokenizer.json": (folder / "tokenizer.json").read_bytes()}
    save_checkpoint(folder, changed, manifest, files)
    return runs


def test_behind_kept_states_towers_that_differ_in_more_than_their_map_are_not_averaged(adapted, monkeypatch):
    with pytest.raises(RecipeError, match="only maps can be averaged"):
        follow(adapted, monkeypatch, (0.2, 0.4, 0.3))


def test_adapters_are_averaged_with_the_map(adapted, monkeypatch, tmp_path):
    follow(replace(adapted, kept_epochs=0), monkeypatch, (0.2, 0.4, 0.3))
    one, between_both = (
        open_checkpoint(tmp_path / "runs" / name / "tower" / "text").tensors() for name in ("one", "between")
    )
    adapters = [key for key in one if "lora_A" in key]
    assert adapters
    for key in adapters:
        assert torch.allclose(between_both[key].float(), one[key].float() + 0.5, atol=2e-3)
