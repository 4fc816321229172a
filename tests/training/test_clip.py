from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from models.checkpoint import digest_of_tensors, open_checkpoint, save_checkpoint
from models.dual import image_tower
from models.interfaces import CxrError
from models.registry import load_dual
from models.text import TowerConfig
from models.vision import VisionConfig, normalised, whole_film
from training.clip import (
    SHARED_LABELS,
    ClipRecipe,
    ClipStage,
    _average_precision,
    _both_ways,
    export,
    labels_in_reach,
    shares_a_finding,
)
from training.datasets import film_split
from training.loop import LoopConfig, Run, train

NO_LAYERS = TowerConfig(layers=0, attention="causal", max_tokens=4)  # embeddings alone: thousands of reports a second
LABELS = ("Effusion", "No Finding", "Cardiomegaly|Edema")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with made-up films of three patients in training and three to choose by, and an untrained tower.

    Films that training must not read, those for reporting and those without a label, are no images at all.
    """
    folder = tmp_path_factory.mktemp("clip")
    draw = np.random.default_rng(0)
    lines = ["image,source,patient,view,labels"]
    for split, count in (("train", 6), ("choosing", 3), ("reporting", 2), ("train", 1)):
        patients = [name for name in map(str, range(300)) if film_split(name) == split][:3]
        labels = LABELS if count > 1 else ("",)
        for number in range(count):
            name = f"{split}-{number}-of-{count}.png"
            lines.append(f"{name},nih_cxr14,{patients[number % 3]},PA,{labels[number % len(labels)]}")
            if split == "reporting" or count == 1:
                (folder / name).write_bytes(b"not to be read")
            else:
                Image.fromarray(draw.integers(0, 256, (40, 30), dtype=np.uint8)).save(folder / name)
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    about = {"name": "toy", "backbone": "smollm2", "tower": asdict(NO_LAYERS), "lora_scale": 1.0}
    save_checkpoint(folder / "tower" / "text", {}, about)
    return folder


@pytest.fixture(scope="module")
def recipe(work):
    loop = LoopConfig(steps=2, warmup=1, measure_every=2, save_every=2, precision="no")
    vision = VisionConfig("tf_efficientnet_lite0", 32)
    return ClipRecipe(str(work / "tower"), vision, loop, batch=4, reports=32)


@pytest.fixture(scope="module")
def stage(recipe, work, made_corpus):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_IMAGES", str(work))
        return ClipStage(recipe)


@pytest.fixture(scope="module")
def run(stage, recipe, work):
    run = Run(work / "run")
    run.begin(recipe, stage.fingerprints(), resume=False)
    train(stage, recipe.loop, run)
    export(recipe, stage, run, work / "tower")
    return run


def test_films_and_reports_match_if_they_share_a_label_and_normal_is_one():
    films = [frozenset({"Edema", "Hernia"}), frozenset({"No Finding"}), frozenset()]
    reports = [frozenset({"Hernia"}), frozenset({"No Finding"}), frozenset({"Edema", "Pneumonia"})]
    assert shares_a_finding(films, reports).astype(int).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_labels_that_only_one_side_can_say_are_out_of_reach():
    assert labels_in_reach(frozenset({"Fracture", "Support Devices"})) == frozenset()
    assert labels_in_reach(frozenset({"Fracture", "Edema"})) == {"Edema"}
    assert len(set(SHARED_LABELS)) == 14


@pytest.mark.parametrize(
    ("relevant", "expected"),
    [([1, 0, 1, 0], (1 + 2 / 3) / 2), ([0, 0, 0, 1], 1 / 4), ([1, 1, 1, 1], 1.0), ([0, 0, 0, 0], 0.0)],
)
def test_average_precision_computed_by_hand(relevant, expected):
    assert _average_precision(np.array(relevant, dtype=bool)) == pytest.approx(expected)


def test_matching_is_asked_both_ways():
    films, reports = torch.eye(2), torch.eye(2)[[0, 1, 1]]  # the second finding is in two reports
    right = 30 * films @ reports.T
    assert _both_ways(right, films, reports, 0.05) < 0.8 * _both_ways(torch.zeros(2, 3), films, reports, 0.05)
    assert _both_ways(right.flip(0), films, reports, 0.05) > _both_ways(torch.zeros(2, 3), films, reports, 0.05)
    logits = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    turned = _both_ways(logits.T, reports, films, 0.2)
    assert torch.allclose(_both_ways(logits, films, reports, 0.2), turned)


def test_the_report_tower_is_not_trained_and_all_else_is(stage):
    vision, new = stage.groups()
    assert {id(p) for p in vision["params"] + new["params"]} == {id(p) for p in stage.trained.parameters()}
    assert (vision["lr"], new["lr"]) == (3e-4, 1e-3)
    assert not stage._vectors.requires_grad


def test_loss_and_gradient_are_pure_functions_of_weights_and_the_seeded_step(stage, workers):
    losses, gradients = [], []
    stage.trained.eval()
    for step in (0, 0, 1):
        torch.manual_seed(step)
        stage.trained.zero_grad()
        losses.append(stage.accumulate(step, workers))
        gradients.append(stage.trained.logit_scale.grad.item())
    assert losses[0] == losses[1] != losses[2]
    assert gradients[0] == gradients[1] != gradients[2]


def test_figures_come_with_the_chance_to_compare_them_with(run):
    measured = open_checkpoint(run.folder / "best").manifest["measured"]
    assert list(measured) == ["mean", "average precision", "AUROC by words", "precision@5", "chance"]
    assert measured["mean"] == pytest.approx((measured["average precision"] + measured["AUROC by words"]) / 2)
    assert 0 < measured["chance"] < 0.6
    assert 0 <= measured["precision@5"] <= 1


def test_the_exported_pair_gives_the_vectors_that_training_measured(run, stage, work):
    dual = load_dual(work / "tower", precision="fp32", device="cpu")
    stage.trained.load_state_dict(open_checkpoint(run.folder / "best").tensors())
    stage.trained.eval()
    film = np.asarray(Image.open(work / "choosing-0-of-3.png"))
    with torch.no_grad():
        features = stage.trained.image(normalised([whole_film(film, 32)]))
    assert (dual.image.encode([film]) @ F.normalize(features).T.numpy()).item() > 0.999
    assert dual.text.encode(["Clear."]).shape == (1, 512)
    assert dual.image.info.note == "aligned through findings, not through paired reports"


def test_what_helps_training_only_is_not_shipped(run, work):
    shipped = open_checkpoint(work / "tower" / "dual")
    assert {key.partition(".")[0] for key in shipped.tensors()} == {"projection", "image"}
    assert shipped.manifest["text_revision"] == open_checkpoint(work / "tower" / "text").revision
    assert shipped.manifest["licence"] == "CC BY-NC 4.0"


def test_only_labelled_films_of_the_splits_concerned_are_read(stage):
    assert [film.file.name for film in stage._films] == [f"train-{number}-of-6.png" for number in range(6)]
    assert [film.file.name for film in stage._choosing] == [f"choosing-{number}-of-3.png" for number in range(3)]


@pytest.fixture(scope="module")
def second(work, recipe, run, made_corpus):
    """A space on the towers of the first: nothing of the image tower is trained, and findings are taught."""
    taught = replace(recipe, start=str(work / "tower"), name="second", shares=True, lr_vision=0.0, taught=True, views=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_IMAGES", str(work))
        patch.setattr("training.embeddings.cache_folder", lambda: work / "cache")
        stage = ClipStage(taught)
        begun = Run(work / "second-run")
        begun.begin(taught, stage.fingerprints(), resume=False)
        train(stage, taught.loop, begun)
    export(taught, stage, begun, work / "second")
    return stage


def test_a_space_that_shares_its_towers_keeps_only_what_it_learned(second, work, run):
    kept = open_checkpoint(work / "second" / "dual")
    images = image_tower(open_checkpoint(work / "tower" / "dual"))
    assert {key for key in kept.tensors() if key.startswith("image.")} == {"image.head.weight", "image.head.bias"}
    assert (kept.manifest["report_tower"], kept.manifest["image_tower"]) == ("tower", "tower")
    assert kept.manifest["image_revision"] == digest_of_tensors(images)
    dual = load_dual(work / "second", precision="fp32", device="cpu")
    film = np.asarray(Image.open(work / "choosing-0-of-3.png"))
    before = load_dual(work / "tower", precision="fp32", device="cpu")
    assert np.allclose(dual.image.headless().encode([film]), before.image.headless().encode([film]), atol=1e-6)
    assert dual.image.info.name == "second"
    assert dual.image.info.note == "aligned through findings, not through paired reports"


def test_findings_are_taught_as_a_map_on_the_features_tells_them(second):
    told = second._labels_of(np.array([0, 2]), np.array([0, 1]))
    assert told.shape == (2, len(SHARED_LABELS))
    assert ((told > 0) & (told < 1)).all()
    assert told[0, SHARED_LABELS.index("Pleural Effusion")] > told[1, SHARED_LABELS.index("Pleural Effusion")]


def test_only_a_tower_that_stays_as_it_is_can_teach(recipe, work, made_corpus, monkeypatch):
    monkeypatch.setenv("CXR_IMAGES", str(work))
    with pytest.raises(CxrError, match="Only a tower that stays as it is can teach"):
        ClipStage(replace(recipe, taught=True))
