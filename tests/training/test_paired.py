from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from made_pairs import film_of, write_pairs

from models.checkpoint import below, open_checkpoint, save_checkpoint
from models.interfaces import SECTION_PROMPTS, CxrError
from models.registry import load_dual
from models.text import TowerConfig
from models.vision import VisionConfig, VisionTower
from training.adapters import LoraConfig
from training.augment import cropped
from training.images import begin_tower
from training.loop import LoopConfig, Run, train
from training.losses import image_text_contrastive
from training.paired import PairedRecipe, PairedStage, export, recalls
from training.paired_data import PairedCorpus, drawn_text, prompt_of, read_pairs, shuffled, words_of
from training.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {"findings": "Heart normal. Lungs clear. No effusion.", "impression": "No XXXX disease. Stable."}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with made-up pairs and an untrained report tower on SmolLM2's token table alone."""
    folder = write_pairs(tmp_path_factory.mktemp("paired"))
    tower = TowerConfig(layers=1, attention="bidirectional", max_tokens=64)
    about = {"name": "toy", "backbone": "smollm2", "tower": asdict(tower), "lora_scale": 1.0}
    save_checkpoint(folder / "tower" / "text", {}, about)
    return folder


def recipe_for(work, **said):
    said.setdefault("vision", VisionConfig("test_vit", 64))
    return PairedRecipe(
        name="toy-clip",
        text=str(work / "tower"),
        corpus=PairedCorpus("table", str(work), str(work / "map.toml")),
        loop=LoopConfig(steps=2, warmup=1, measure_every=2, save_every=2, precision="no"),
        lora=LoraConfig(r=2, alpha=4, dropout=0.1),
        dim=16,
        batch=8,
        films_at_once=3,
        chunk_tokens=120,
        **said,
    )


@pytest.fixture(scope="module")
def stage(work):
    return PairedStage(recipe_for(work))


def test_the_loss_is_the_mean_of_both_directions_worked_out_by_hand():
    images = torch.tensor([[3.0, 0.0], [0.0, 0.5]])  # lengths do not count
    texts = torch.tensor([[0.6, 0.8], [0.0, 2.0]])
    cosines = [[0.6, 0.0], [0.8, 1.0]]
    scale = 2.0

    def cross_entropy(row, own):
        return -scale * row[own] + math.log(sum(math.exp(scale * value) for value in row))

    columns = list(zip(*cosines, strict=True))
    expected = sum(cross_entropy(side[i], i) for side in (cosines, columns) for i in (0, 1)) / 4
    assert image_text_contrastive(images, texts, torch.tensor(math.log(scale))).item() == pytest.approx(expected)


def test_the_scale_never_exceeds_a_hundred():
    images = torch.eye(3)
    far, at_most = (image_text_contrastive(images, images.roll(1, 0), torch.tensor(s)) for s in (9.0, math.log(100)))
    assert far == at_most


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("Clear.", "report"),
        ("[FINDINGS] Clear.", "findings"),
        ("[IMPRESSION] Clear.", "impression"),
        ("[FINDINGS] Clear. [IMPRESSION] Normal.", "findings"),
    ],
)
def test_the_placeholder_chooses_the_prompt(text, scope):
    assert prompt_of(text) == SECTION_PROMPTS[scope]


def test_sentences_change_places_within_their_section_only():
    drawn = {drawn_text(SECTIONS, np.random.default_rng(seed), 1.0, by_section=False) for seed in range(40)}
    assert len(drawn) > 5
    for text in drawn:
        findings, impression = text.split("\n")
        assert {word.strip(".") for word in findings.split()} == {"Heart", "normal", "Lungs", "clear", "No", "effusion"}
        assert {word.strip(".") for word in impression.split()} == {"No", "disease", "Stable"}


def test_without_shuffling_or_sections_the_words_are_those_of_the_report():
    drawn = {drawn_text(SECTIONS, np.random.default_rng(seed), 0.0, by_section=False) for seed in range(9)}
    assert drawn == {words_of(SECTIONS, "report")}


def test_sections_are_drawn_apart_each_with_its_placeholder():
    drawn = {drawn_text(SECTIONS, np.random.default_rng(seed), 0.0, by_section=True) for seed in range(40)}
    assert drawn == {
        words_of(SECTIONS, "report"),
        f"[FINDINGS] {SECTIONS['findings']}",
        "[IMPRESSION] No disease. Stable.",
    }
    only = {drawn_text({"impression": "Normal."}, np.random.default_rng(0), 0.0, by_section=True)}
    assert only <= {"Normal.", "[IMPRESSION] Normal."}


def test_sentences_are_neither_lost_nor_doubled():
    for seed in range(9):
        told = shuffled("A b. C d. E f.", np.random.default_rng(seed))
        assert sorted(told.rstrip(".").split(". ")) == ["A b", "C d", "E f"]


def test_crops_keep_size_and_sides():
    films = torch.zeros(32, 1, 40, 40)
    films[:, :, :, :12] = 1
    torch.manual_seed(0)
    changed = cropped(films)
    assert changed.shape == films.shape
    assert (changed[..., :6].mean(dim=(1, 2, 3)) > 0.9).all()
    assert (changed[..., 20:].abs().mean(dim=(1, 2, 3)) < 0.05).all()
    assert len({film.sum().item() for film in changed}) > 20


def test_pairs_are_frontal_films_with_words_and_no_patient_is_in_two_splits(work):
    corpus = PairedCorpus("table", str(work), str(work / "map.toml"))
    found = {split: {pair.study for pair in read_pairs(corpus, split)} for split in ("train", "validation", "test")}
    assert [len(found[split]) for split in ("train", "validation", "test")] == [24, 12, 12]
    assert not set.intersection(*found.values())
    assert not any(study.endswith((":900", ":901")) for studies in found.values() for study in studies)


def test_a_corpus_without_pairs_is_an_error_in_words(tmp_path, work):
    (tmp_path / "reports.csv").write_text("study,patient,split,findings,impression,view,film\n", encoding="utf-8")
    (tmp_path / "map.toml").write_text((work / "map.toml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(CxrError, match="no frontal film with a report"):
        read_pairs(PairedCorpus("table", str(tmp_path), str(tmp_path / "map.toml")), "train")


def test_rates_and_decay_follow_the_spec(stage):
    recipe = stage._recipe
    groups = stage.groups()
    every = [p for group in groups for p in group["params"]]
    assert len({id(p) for p in every}) == len(every)
    assert {id(p) for p in every} == {id(p) for p in stage.trained.parameters() if p.requires_grad}
    assert all((group["betas"], group["eps"]) == ((0.9, 0.98), 1e-6) for group in groups)
    assert (groups[-2]["lr"], groups[-1]["lr"]) == (recipe.lr_text, recipe.lr_projection)
    network = stage.trained.image.tower.network
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    blocks = [rate[id(block.attn.proj.weight)] for block in network.blocks]
    assert all(later / earlier == pytest.approx(1 / 0.85) for earlier, later in pairwise(blocks))
    assert rate[id(network.patch_embed.proj.weight)] < blocks[0]


def test_of_the_report_tower_only_attention_adapters_are_trained(stage):
    trained = {name for name, p in stage.trained.text.named_parameters() if p.requires_grad}
    assert trained
    assert all(".self_attn." in name and ".lora_" in name for name in trained)
    assert {name.split(".self_attn.")[1].split(".")[0] for name in trained} == {"q_proj", "k_proj", "v_proj", "o_proj"}


def gradients(stage, workers, **said):
    stage._recipe = replace(stage._recipe, **said)
    stage.trained.zero_grad()
    stage.trained.train()
    loss = stage.accumulate(0, workers)
    return loss, {name: p.grad.clone() for name, p in stage.trained.named_parameters() if p.grad is not None}


def test_a_batch_made_in_parts_has_the_gradient_of_one_made_at_once(work, workers):
    fresh = PairedStage(recipe_for(work))
    in_parts, whole = (gradients(fresh, workers, gradient_cache=cached) for cached in (True, False))
    assert in_parts[0] == pytest.approx(whole[0], abs=1e-6)
    assert in_parts[1].keys() == whole[1].keys()
    for name, gradient in in_parts[1].items():
        assert torch.allclose(gradient, whole[1][name], atol=1e-5), name
    assert in_parts[1]["logit_scale"].abs() > 0


@pytest.mark.slow
def test_activations_made_twice_change_no_gradient(work, workers):
    plain = gradients(PairedStage(recipe_for(work, shuffle=0.0)), workers, gradient_cache=False)
    again = gradients(PairedStage(recipe_for(work, shuffle=0.0, checkpointing=True)), workers, gradient_cache=False)
    assert plain[0] == pytest.approx(again[0], abs=1e-6)
    for name, gradient in plain[1].items():
        assert torch.allclose(gradient, again[1][name], atol=1e-5), name


def test_batch_norms_keep_their_statistics(work, workers):
    convolutional = PairedStage(recipe_for(work, vision=VisionConfig("test_efficientnet", 64)))
    before = {key: value.clone() for key, value in convolutional.trained.image.state_dict().items() if "running" in key}
    gradients(convolutional, workers)
    assert before
    after = convolutional.trained.image.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_recall_counts_any_pair_with_the_same_words():
    scores = np.array([[0.1, 0.9, 0.2], [0.8, 0.3, 0.4], [0.7, 0.6, 0.5]])
    assert recalls(scores, ["a", "b", "c"], ks=(1, 2, 3)) == {1: 0.0, 2: 0.0, 3: 1.0}
    assert recalls(scores, ["a", "a", "c"], ks=(1,))[1] == pytest.approx(2 / 3)


def test_a_trained_pair_is_loaded_with_its_adapter_and_gives_what_training_measured(work, stage):
    run = Run(work / "run")
    run.begin(stage._recipe, stage.fingerprints(), resume=False)
    train(stage, stage._recipe.loop, run)
    export(stage._recipe, stage, run)
    dual = load_dual(run.folder / "tower", precision="fp32", device="cpu")
    assert (dual.image.info.name, dual.image.info.note) == ("toy-clip", "")
    kept = open_checkpoint(run.folder / "tower" / "dual")
    assert below(kept.tensors(), "lora.")
    assert kept.manifest["dual"]["lora_scale"] == 2.0
    stage.trained.load_state_dict(open_checkpoint(run.folder / "best").tensors(), strict=False)
    stage.trained.eval()
    text = "There is large pleural effusion."
    with torch.no_grad():
        chunk = next(iter(stage._text_chunks([text], 0)))
        vector = torch.nn.functional.normalize(stage.trained(chunk[1]), dim=-1).numpy()
    assert (dual.text.encode([text], SECTION_PROMPTS["report"]) @ vector.T).item() > 0.999
    assert dual.image.encode([film_of("upper left", 0)]).shape == (1, 16)


def test_weights_as_timm_publishes_them_start_a_tower_and_others_are_refused(tmp_path):
    config = VisionConfig("test_vit", 64)
    torch.manual_seed(1)
    given, started = VisionTower(config), VisionTower(config)
    torch.save(given.network.state_dict(), tmp_path / "vit.pth")
    begin_tower(started, str(tmp_path / "vit.pth"))
    assert torch.equal(started.network.norm.weight, given.network.norm.weight)
    assert torch.equal(started.network.blocks[0].attn.qkv.weight, given.network.blocks[0].attn.qkv.weight)
    with pytest.raises(CxrError, match="not those of test_efficientnet"):
        begin_tower(VisionTower(VisionConfig("test_efficientnet", 64)), str(tmp_path / "vit.pth"))
    with pytest.raises(CxrError, match="no file of weights"):
        begin_tower(started, str(tmp_path / "absent.pth"))


@pytest.mark.parametrize("name", ["paper-base", "paper-section", "clip4cxr"])
def test_the_papers_recipes_are_its_table(name):
    recipe = load_recipe(ROOT / "training" / "recipes" / f"{name}.toml", PairedRecipe)
    assert (recipe.vision.architecture, recipe.vision.size) == ("eva02_large_patch14_clip_336", 448)
    assert (recipe.batch, recipe.lr_text, recipe.lr_projection, recipe.loop.seed) == (1024, 1e-5, 1e-4, 4096)
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (16, 32, 0.1)
    assert (recipe.loop.weight_decay, recipe.loop.gradient_clip, recipe.loop.warmup) == (0.05, 5.0, 0)
    assert recipe.by_section == (name == "paper-section")
