from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.checkpoint import open_checkpoint, save_checkpoint
from models.precision import place
from models.vision import VisionConfig, VisionTower
from training.datasets import SHARED_LABELS, film_split, films, pixels_of
from training.film_features import features_of, seen_by
from training.films import FilmsRecipe, FilmsStage, how_often
from training.images import begin_tower
from training.loop import LoopConfig, Run, train

VISION = VisionConfig("tf_efficientnet_lite0", 32)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(0)
    lines = ["image,source,patient,view,labels"]
    for split, count in (("train", 8), ("choosing", 8)):
        patients = [name for name in map(str, range(300)) if film_split(name) == split]
        for number in range(count):
            label = ("Effusion|Mass", "No Finding")[number % 2]
            lines.append(f"{split}{number}.png,nih_cxr14,{patients[number]},PA,{label}")
            Image.fromarray(draw.integers(0, 256, (40, 30), dtype=np.uint8)).save(folder / f"{split}{number}.png")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def stage(work):
    loop = LoopConfig(steps=1, warmup=0, measure_every=1, save_every=1, precision="no", average_decay=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_IMAGES", str(work))
        return FilmsStage(FilmsRecipe(VISION, loop, batch=4, smoothing=0.1))


def test_a_film_is_drawn_as_often_as_its_rarest_finding_is_rare():
    flags = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=np.float32)
    drawn = how_often(flags, 0.5)
    assert drawn.sum() == pytest.approx(1)
    assert drawn[1] / drawn[0] == pytest.approx(2)  # 1 against 4 films: the square root
    assert drawn[0] == drawn[4]
    assert np.allclose(how_often(flags, 0.0), 0.2)


def test_a_run_measures_every_finding_with_enough_films_and_keeps_a_tower_to_go_on_from(stage, work, tmp_path):
    run = Run(tmp_path / "run")
    run.begin(stage._recipe, stage.fingerprints(), resume=False)
    train(stage, stage._recipe.loop, run)
    measured = open_checkpoint(run.folder / "best").manifest["measured"]
    assert set(measured) == {"mean AUROC", "AUROC No Finding", "AUROC Lung Lesion", "AUROC Pleural Effusion"}
    assert 0 <= measured["mean AUROC"] <= 1
    tower = VisionTower(VISION)
    begin_tower(tower, str(run.folder))
    best = open_checkpoint(run.folder / "best").tensors()
    assert all((value == best[f"tower.{key}"]).all() for key, value in tower.state_dict().items())
    assert best["labels.1.weight"].shape[0] == len(SHARED_LABELS)


def test_features_are_made_once_by_each_tower_and_way_of_looking(work, tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    shown = films(work, ["nih_cxr14"], "train")
    pixels, cpu = pixels_of(shown, 32), place("fp32", "cpu")
    tower = VisionTower(VISION).eval()
    first = features_of(tower, shown, pixels, cpu)
    assert np.array_equal(first, seen_by(tower, pixels, cpu))
    assert np.array_equal(features_of(tower, shown, np.zeros_like(pixels), cpu), first)  # kept by the films' names
    changed = features_of(tower, shown, pixels, cpu, seed=1)
    assert not np.allclose(changed, first)
    assert np.array_equal(changed, seen_by(tower, pixels, cpu, seed=1))
    assert len(list((tmp_path / "embeddings").glob("*.npy"))) == 2
    features_of(VisionTower(VISION).eval(), shown, pixels, cpu)
    assert len(list((tmp_path / "embeddings").glob("*.npy"))) == 3


def test_another_checkpoint_is_no_start(tmp_path):
    save_checkpoint(tmp_path / "best", {}, {})
    with pytest.raises(RuntimeError, match="Missing key"):
        begin_tower(VisionTower(VISION), str(tmp_path))
