from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import write_llama
from torch.nn import functional as F

from explorer.corpora import openi
from explorer.corpora.split import in_split
from models.text import TowerConfig
from training import mntp
from training.adapters import LoraConfig
from training.loop import LoopConfig, Run, train
from training.mntp import NOT_MASKED, MntpRecipe, MntpStage, mask
from training.students import open_student

IDS = [int(number) for number in np.random.default_rng(0).integers(10, 60, 20_000)]
TOWER = TowerConfig(layers=2, max_tokens=64)


@pytest.fixture(scope="module")
def llama(tiny_llama):
    return open_student(str(tiny_llama), TOWER, 64)


@pytest.fixture(scope="module")
def bert(tiny_bert):
    return open_student(str(tiny_bert), TOWER, 64)


@pytest.fixture(scope="module")
def recipe(tiny_llama):
    return MntpRecipe(
        name="toy",
        base=str(tiny_llama),
        tower=TOWER,
        lora=LoraConfig(r=2, alpha=4, dropout=0.0),
        loop=LoopConfig(steps=2, warmup=1, measure_every=2, save_every=2, precision="no"),
        batch=16,
        train_tokens=32,
    )


@pytest.fixture(scope="module")
def stage(recipe, made_corpus):
    return MntpStage(recipe)


def hidden(masked, student):
    return [position for position, token in enumerate(masked.ids) if token == student.mask_id]


@pytest.mark.parametrize("probability", [0.2, 0.5])
def test_so_many_tokens_are_hidden_all_of_them_by_the_mask_token(llama, probability):
    masked = mask(IDS, llama, probability, np.random.default_rng(1))
    places = hidden(masked, llama)
    assert len(places) / len(IDS) == pytest.approx(probability, abs=0.01)
    assert masked.count == len(places)
    for position, token in enumerate(masked.ids):
        assert token == (llama.mask_id if position in set(places[:50]) else token)
    assert [token for position, token in enumerate(IDS) if masked.ids[position] != llama.mask_id] == [
        token for token in masked.ids if token != llama.mask_id
    ]


def test_a_decoder_is_asked_one_position_earlier(llama):
    masked = mask(IDS[:200], llama, 0.3, np.random.default_rng(1))
    asked = {position: target for position, target in enumerate(masked.targets) if target != NOT_MASKED}
    assert asked == {position - 1: IDS[position] for position in hidden(masked, llama)}


def test_a_decoders_first_token_is_never_hidden(llama):
    masked = mask(IDS[:200], llama, 1.0, np.random.default_rng(1))
    assert hidden(masked, llama) == list(range(1, 200))
    assert masked.targets == [*IDS[1:200], NOT_MASKED]


def test_a_bert_is_asked_in_place_and_its_special_tokens_are_never_hidden(bert):
    first, last = sorted(bert.special_ids)
    masked = mask([first, *IDS[:50], last], bert, 1.0, np.random.default_rng(1))
    assert hidden(masked, bert) == list(range(1, 51))
    assert masked.targets == [NOT_MASKED, *IDS[:50], NOT_MASKED]


def test_another_draw_hides_other_tokens_and_the_same_one_the_same(llama):
    first, again, other = (mask(IDS[:200], llama, 0.2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def knowing(stage, text, shift):
    """The stage, with logits built by hand: at position i all weight is on the text's token at i + shift."""
    (ids,) = [ids for _, ids in stage.student.tokenizer.pairs([text], [""])]
    logits = 50.0 * F.one_hot(torch.tensor(ids[shift:] + ids[:shift]), 200)[None].float()
    student = replace(stage.student, states=lambda _batch: logits, head=torch.nn.Identity())
    same = object.__new__(MntpStage)
    same.__dict__.update(stage.__dict__, student=student)
    return same, ids


TEXT = "There is small pleural effusion on the left at the base . The trachea is in midline"


def predicted(stage, text, shift, masked_for):
    told, ids = knowing(stage, text, shift)
    masked = mask(ids, masked_for, 0.6, np.random.default_rng(3))
    loss, right = told._predictions([masked])
    return loss.item() / masked.count, right / masked.count


def test_logits_that_know_the_next_token_are_right_for_a_decoder_and_wrong_in_place(stage):
    assert predicted(stage, TEXT, 1, stage.student) == (pytest.approx(0, abs=1e-3), 1.0)
    in_place = replace(stage.student, shift=0)
    loss, right = predicted(stage, TEXT, 1, in_place)
    assert loss > 10
    assert right < 0.3


def test_logits_that_know_the_token_itself_are_right_for_a_bert_and_wrong_for_a_decoder(stage, bert):
    assert predicted(stage, TEXT, 0, replace(bert, mask_id=1)) == (pytest.approx(0, abs=1e-3), 1.0)
    loss, right = predicted(stage, TEXT, 0, stage.student)
    assert loss > 10
    assert right < 0.3


def gradients(stage, workers, step):
    stage.trained.zero_grad()
    loss = stage.accumulate(step, workers)
    return loss, {name: p.grad for name, p in stage.trained.named_parameters() if p.grad is not None}


def test_the_loss_is_the_mean_over_all_hidden_tokens_of_the_step(stage, workers):
    stage.trained.eval()
    texts = stage._batch(0)
    with torch.no_grad():
        parts = [stage._predictions([one])[0].item() for one in texts]
    assert gradients(stage, workers, 0)[0] == pytest.approx(sum(parts) / sum(one.count for one in texts), rel=1e-5)


def test_how_the_step_is_cut_changes_nothing(stage, workers, monkeypatch):
    stage.trained.eval()
    whole = gradients(stage, workers, 0)
    monkeypatch.setattr(mntp, "TOKENS_PER_CHUNK", 64)
    cut = gradients(stage, workers, 0)
    assert cut[0] == pytest.approx(whole[0], rel=1e-5)
    for name, gradient in whole[1].items():
        assert torch.allclose(cut[1][name], gradient, atol=1e-6), name


def test_a_step_is_a_pure_function_of_weights_and_step(recipe, made_corpus, workers):
    stage = MntpStage(replace(recipe, lora=replace(recipe.lora, dropout=0.5)))
    stage.trained.train()
    torch.nn.init.normal_(stage.trained.tower.decoder.get_parameter("layers.0.mlp.up_proj.lora_B.default.weight"))
    first = gradients(stage, workers, 0)
    torch.rand(5)  # whatever was drawn before
    assert gradients(stage, workers, 0)[0] == first[0]
    assert gradients(stage, workers, 1)[0] != first[0]


def test_texts_of_the_training_split_alone_are_read_and_hidden_anew_each_epoch(stage, recipe):
    reports = openi.read().reports
    others = in_split(reports, "validation") + in_split(reports, "test")
    theirs = {text for report in others for text in (report.sections["findings"], report.sections["impression"])}
    assert not set(stage._texts) & theirs
    per_epoch = len(stage._texts) // recipe.batch
    lengths = Counter(len(one.ids) for step in range(per_epoch) for one in stage._batch(step))
    assert lengths.total() == per_epoch * recipe.batch
    assert stage._batch(0) != stage._batch(per_epoch)


def test_only_adapters_are_trained_and_a_tied_head_is_not_trained_twice(stage, recipe):
    (group,) = stage.groups()
    assert group["lr"] == recipe.lr
    trained = {id(p) for p in stage.trained.parameters() if p.requires_grad}
    assert {id(p) for p in group["params"]} == trained
    assert len(trained) == 2 * 7 * 2


def test_a_head_that_has_to_be_learned_has_its_own_rate(recipe, tiny_bert, made_corpus):
    language, head = MntpStage(replace(recipe, base=str(tiny_bert))).groups()
    assert (language["lr"], head["lr"]) == (recipe.lr, recipe.lr_head)
    assert len(head["params"]) == 5  # transform: a linear map and a norm; and the bias over the vocabulary


@pytest.mark.slow
def test_a_tiny_llama_learns_to_fill_in_words(recipe, made_corpus, tmp_path):
    """Ten points above always answering the commonest hidden token."""
    base = write_llama(tmp_path / "llama", width=64, initializer_range=0.02)
    loop = LoopConfig(steps=300, warmup=20, measure_every=300, save_every=300, precision="no")
    learning = replace(recipe, base=str(base), lora=LoraConfig(train="everything"), loop=loop, lr=3e-3)
    stage, run = MntpStage(learning), Run(tmp_path / "run")
    assert len(stage._texts) >= 1_000
    assert stage.student.tower.decoder.config.vocab_size <= 2_000
    wanted = Counter(target for one in stage._validation for target in one.targets if target != NOT_MASKED)
    commonest = wanted.most_common(1)[0][1] / wanted.total()
    run.begin(learning, stage.fingerprints(), resume=False)
    train(stage, loop, run)
    first, last = (line["masked accuracy"] for line in run.curve() if "masked accuracy" in line)
    assert first < commonest + 0.05
    assert last > commonest + 0.10
