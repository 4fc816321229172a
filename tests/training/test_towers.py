from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.corpora import openi
from models.checkpoint import TENSORS, open_checkpoint, save_checkpoint
from models.interfaces import SUMMARY_INSTRUCTION, WeightsDamaged
from models.registry import load_text_encoder
from models.text import TowerConfig
from training.adapters import LoraConfig
from training.contrastive import ContrastiveRecipe, ContrastiveStage
from training.learner import Learner
from training.loop import LoopConfig, Run, train
from training.mntp import MntpRecipe, MntpStage
from training.towers import export_tower

ADAPTERS, EVERYTHING = LoraConfig(r=4, alpha=8, dropout=0.0), LoraConfig(train="everything")
LATENT = TowerConfig(layers=2, pooling="latent_attention", max_tokens=64)
MEAN = TowerConfig(layers=2, whitening=True, depths=(1, 2), max_tokens=64)
LOOP = LoopConfig(steps=2, warmup=1, measure_every=2, save_every=2, precision="no")
NOTES = [
    "Small left pleural effusion.",
    "no finding",
    "The trachea is in the midline. It has increased since the film.",
]


def recipe(base, **said):
    plain = ContrastiveRecipe(
        name="toy", base=str(base), tower=LATENT, lora=ADAPTERS, loop=LOOP, batch=8, lr_lora=1e-2, lr_pooling=1e-2
    )
    return replace(plain, **{"train_tokens": 64, **said})


def trained(following, folder):
    """Train and export as the stage's command does; return the stage, with the weights that were kept, and the run."""
    stage, run = ContrastiveStage(following), Run(folder)
    run.begin(following, stage.fingerprints(), resume=False)
    train(stage, following.loop, run)
    export_tower(following, stage.source, run)
    stage.trained.load_state_dict(open_checkpoint(run.folder / "best").tensors(), strict=False)
    return stage, run


def in_training(stage):
    stage.trained.eval()
    asked = SUMMARY_INSTRUCTION if stage._recipe.instructed else ""
    with torch.no_grad():
        return stage._learner._unit(NOTES, asked)


def loaded(run, asked=SUMMARY_INSTRUCTION):
    return load_text_encoder(run.folder / "tower", precision="fp32", device="cpu").encode(NOTES, asked)


def assert_same_vectors(ours, theirs):
    """Equal but for fp16, and not only because all texts are alike."""
    assert np.abs(ours - theirs).max() < 2e-3
    assert np.abs(theirs[0] - theirs[1]).max() > 6e-3


@pytest.fixture(scope="module")
def hub(tiny_llama, tiny_bert, tmp_path_factory):
    """The tiny models in a folder of their own, which is taken away before a tower is loaded."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(tiny_llama, folder / "tiny-llama")
    shutil.copytree(tiny_bert, folder / "tiny-bert")
    return folder


CASES = {
    "adapters on a decoder": ("tiny-llama", {}),
    "adapters on a decoder pooled at two depths": ("tiny-llama", {"tower": MEAN}),
    "a decoder trained whole": ("tiny-llama", {"lora": EVERYTHING, "lr_lora": 1e-3}),
    "adapters on a BERT": ("tiny-bert", {"tower": replace(MEAN, depths=(), whitening=False), "instructed": False}),
    "a BERT trained whole": ("tiny-bert", {"lora": EVERYTHING, "lr_lora": 1e-3, "instructed": False}),
}


SLOW = ("adapters on a decoder pooled at two depths", "adapters on a BERT")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(said, id=name, marks=[pytest.mark.slow] if name in SLOW else []) for name, said in CASES.items()
    ],
)
def case(request, hub, made_corpus, tmp_path_factory):
    base, said = request.param
    following = recipe(hub / base, **said)
    stage, run = trained(following, tmp_path_factory.mktemp("runs") / "toy")
    vectors = in_training(stage)
    (hub / base).rename(hub / "gone")
    try:
        yield stage, run, vectors
    finally:
        (hub / "gone").rename(hub / base)


def test_a_tower_trained_from_a_folder_is_loaded_without_it_and_gives_the_vectors_of_training(case):
    stage, run, vectors = case
    assert_same_vectors(loaded(run, SUMMARY_INSTRUCTION if stage._recipe.instructed else ""), vectors)


def test_its_manifest_says_what_it_is_made_of(case):
    stage, run, _ = case
    manifest = open_checkpoint(run.folder / "tower" / "text").manifest
    student = stage._learner.student
    assert manifest[student.root]["hidden_size"] == 32
    assert manifest["backbone"] in ("tiny-llama", "tiny-bert")
    assert "training split" in manifest["trained_on"]
    assert manifest["stages"][-1]
    assert {"tokenizer.json", TENSORS} == manifest["files"].keys()


def test_each_weight_is_there_once_in_fp16_and_adapters_stay_apart(case):
    stage, run, _ = case
    tensors = open_checkpoint(run.folder / "tower" / "text").tensors()
    root = stage._learner.student.root
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    base = {key.removeprefix("base.") for key in tensors if key.startswith("base.")}
    whole = {key.removeprefix(f"{root}.") for key in tensors if key.startswith(f"{root}.")}
    assert not base & whole
    adapted = any(key.startswith("lora.") for key in tensors)
    assert adapted == (not whole)
    assert not any("lora" in key or "base_layer" in key for key in base | whole)


def test_a_packaged_base_stays_in_its_package(made_corpus, tmp_path):
    tower = TowerConfig(layers=1, attention="causal", whitening=True, max_tokens=8)
    following = recipe("smollm2", tower=tower, lr_lora=1e-3, train_tokens=8)
    stage, run = trained(following, tmp_path / "toy")
    assert_same_vectors(loaded(run), in_training(stage))
    checkpoint = open_checkpoint(run.folder / "tower" / "text")
    parts = {key.partition(".")[0] for key in checkpoint.tensors()}
    assert parts == {"lora", "whitening"}
    assert "decoder" not in checkpoint.manifest
    assert checkpoint.manifest["files"].keys() == {TENSORS}


def test_a_later_stage_goes_on_from_a_tower_that_carries_its_base(tiny_llama, made_corpus, tmp_path):
    tower = replace(MEAN, whitening=False, depths=())
    adapters = replace(ADAPTERS, dropout=0.1)
    first = MntpRecipe("toy", str(tiny_llama), tower, adapters, LOOP, batch=8, lr=1e-2, train_tokens=64)
    stage, run = MntpStage(first), Run(tmp_path / "toy-mntp")
    run.begin(first, stage.fingerprints(), resume=False)
    train(stage, LOOP, run)
    export_tower(first, stage.student.source, run)
    assert not any("head" in key for key in open_checkpoint(run.folder / "tower" / "text").tensors())

    following = recipe(tiny_llama, tower=tower, start=str(run.folder))
    goes_on = ContrastiveStage(following)
    assert_same_vectors(loaded(run), in_training(goes_on))
    last, run_ = trained(following, tmp_path / "toy")
    assert_same_vectors(loaded(run_), in_training(last))
    assert len(open_checkpoint(run_.folder / "tower" / "text").manifest["stages"]) == 2


def test_a_tower_that_has_only_seen_masked_words_is_no_encoder_where_pooling_is_learned(
    tiny_llama, made_corpus, tmp_path
):
    first = MntpRecipe("toy", str(tiny_llama), LATENT, ADAPTERS, LOOP, batch=8, train_tokens=64)
    stage, run = MntpStage(first), Run(tmp_path / "toy-mntp")
    run.begin(first, stage.fingerprints(), resume=False)
    train(stage, LOOP, run)
    export_tower(first, stage.student.source, run)
    with pytest.raises(WeightsDamaged, match="do not fit this version"):
        loaded(run)
    learner = Learner(recipe(tiny_llama, start=str(run.folder)), openi.read(), NOTES)
    assert learner.tower.pooling.latent_attn is not None


def test_a_checkpoint_that_lacks_a_weight_of_its_base_is_refused(case, tmp_path):
    _, run, _ = case
    whole = open_checkpoint(run.folder / "tower" / "text")
    tensors = whole.tensors()
    del tensors[next(key for key in sorted(tensors) if key.startswith(("base.", "decoder.", "bert.")))]
    tokenizer = (whole.folder / "tokenizer.json").read_bytes()
    save_checkpoint(tmp_path / "toy" / "text", tensors, whole.manifest, {"tokenizer.json": tokenizer})
    with pytest.raises(WeightsDamaged, match="do not fit this version"):
        load_text_encoder(tmp_path / "toy", precision="fp32", device="cpu")
