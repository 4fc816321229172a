from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_stage import AVERAGED, CONFIG, DATA, TinyStage, follow
from torch import nn

from models.checkpoint import MANIFEST, TENSORS, open_checkpoint
from models.interfaces import CxrError
from training.loop import Average, LoopConfig, Run, Workers, train

ROOT = Path(__file__).resolve().parents[2]


class Fell(Exception):
    """The power went."""


def fell_at(last):
    def at(step):
        if step == last:
            raise Fell

    return at


def followed_until(folder, last, config=CONFIG):
    with pytest.raises(Fell):
        follow(folder, fell_at(last), config=config)


def timeless(run):
    return [{key: value for key, value in line.items() if key != "seconds"} for line in run.curve()]


def final_state(run):
    return open_checkpoint(run.folder / "states" / f"{CONFIG.steps:07d}").tensors()


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def assert_as_unbroken(run, unbroken):
    assert same(final_state(run), final_state(unbroken))
    assert same(open_checkpoint(run.folder / "best").tensors(), open_checkpoint(unbroken.folder / "best").tensors())
    assert timeless(run) == timeless(unbroken)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return follow(tmp_path_factory.mktemp("runs") / "toy")


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    return follow(tmp_path_factory.mktemp("runs") / "toy", config=AVERAGED)


def test_training_changes_the_weights_and_lowers_the_loss(unbroken):
    losses = [line["loss"] for line in unbroken.curve() if "loss" in line]
    assert len(losses) == CONFIG.steps
    assert sum(losses[-4:]) < sum(losses[:4])


def test_only_what_is_trained_and_its_buffers_are_kept(unbroken):
    kept = open_checkpoint(unbroken.folder / "best").tensors()
    assert "0.weight" in kept
    assert "1.running_mean" in kept
    assert "0.bias" not in kept  # frozen


def test_the_curve_has_every_step_once_and_a_figure_every_so_often(unbroken):
    curve = unbroken.curve()
    assert [line["step"] for line in curve if "loss" in line] == list(range(14))
    assert [line["step"] for line in curve if "accuracy" in line] == [0, 3, 6, 9, 12, 14]
    assert (unbroken.folder / "curve.png").stat().st_size > 1_000


def test_one_state_is_left_and_the_run_says_what_it_is_made_of(unbroken):
    assert [folder.name for folder in (unbroken.folder / "states").iterdir()] == ["0000014"]
    about = json.loads((unbroken.folder / "run.json").read_text(encoding="utf-8"))
    assert about["recipe"]["steps"] == 14
    assert about["data"] == DATA
    assert about["code"]


@pytest.mark.parametrize("step", [2, 4, 11])
def test_a_run_that_fell_and_went_on_ends_as_an_unbroken_one(tmp_path, unbroken, step):
    followed_until(tmp_path / "toy", step)
    assert_as_unbroken(follow(tmp_path / "toy", resume=True), unbroken)


@pytest.mark.parametrize("step", [2, 4, 11])
def test_a_run_that_fell_and_went_on_has_the_same_average(tmp_path, averaged, step):
    followed_until(tmp_path / "toy", step, AVERAGED)
    assert_as_unbroken(follow(tmp_path / "toy", resume=True, config=AVERAGED), averaged)


def test_the_average_is_measured_and_kept_and_never_trained_on(unbroken, averaged):
    losses = [[line["loss"] for line in run.curve() if "loss" in line] for run in (unbroken, averaged)]
    assert losses[0] == losses[1]
    trained, kept = final_state(averaged), open_checkpoint(averaged.folder / "best")
    if kept.manifest["step"] == CONFIG.steps:
        assert torch.equal(kept.tensors()["0.weight"], trained["average.0.weight"])
    assert torch.equal(trained["model.0.weight"], final_state(unbroken)["model.0.weight"])
    assert (trained["average.0.weight"] - trained["model.0.weight"]).abs().max() > 1e-3


def test_a_running_average_computed_by_hand():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(4.0)
        average = Average(model, 0.75)
        for weight in (8.0, 12.0):
            model.weight.fill_(weight)
            average.follow(model)  # 0.75 · 4 + 0.25 · 8 = 5; 0.75 · 5 + 0.25 · 12 = 6.75
    assert average.weights["weight"].item() == 6.75
    with average.worn_by(model):
        assert model.weight.item() == 6.75
    assert model.weight.item() == 12.0


def test_a_decay_of_nothing_is_no_average():
    model = nn.Linear(1, 1)
    average = Average(model, 0.0)
    with average.worn_by(model):
        assert average.weights == {}


def test_a_run_may_fall_more_than_once(tmp_path, unbroken):
    followed_until(tmp_path / "toy", 6)
    with pytest.raises(Fell):
        follow(tmp_path / "toy", fell_at(11), resume=True)
    assert_as_unbroken(follow(tmp_path / "toy", resume=True), unbroken)


def test_a_finished_run_that_is_resumed_stays_as_it_is(tmp_path, unbroken):
    run = follow(tmp_path / "toy")
    follow(tmp_path / "toy", resume=True)
    assert_as_unbroken(run, unbroken)


def test_a_state_that_was_half_written_is_passed_over(tmp_path, unbroken):
    followed_until(tmp_path / "toy", 11)
    whole = tmp_path / "toy" / "states" / "0000008"
    for name, present in (("0000012", (TENSORS,)), ("0000013", (TENSORS, MANIFEST))):
        torn = whole.parent / name
        torn.mkdir()
        for file in present:
            content = (whole / file).read_bytes()
            (torn / file).write_bytes(content if file == MANIFEST else content[:-9])
    assert_as_unbroken(follow(tmp_path / "toy", resume=True), unbroken)


def test_a_line_of_the_curve_cut_short_is_dropped(tmp_path, unbroken):
    followed_until(tmp_path / "toy", 6)
    with (tmp_path / "toy" / "curve.jsonl").open("a") as curve:
        curve.write('{"step": 6, "lo')
    assert_as_unbroken(follow(tmp_path / "toy", resume=True), unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("config", [CONFIG, AVERAGED], ids=["plain", "averaged"])
@pytest.mark.parametrize("step", [2, 9])
def test_kill_nine_and_resume_ends_as_an_unbroken_run(tmp_path, unbroken, averaged, step, config):
    told = [str(tmp_path / "toy"), str(step), str(config.average_decay)]
    script = [sys.executable, str(Path(__file__).with_name("tiny_stage.py")), *told]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(script, check=False, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    run = follow(tmp_path / "toy", resume=True, config=config)
    assert_as_unbroken(run, averaged if config.average_decay else unbroken)


def test_a_run_is_not_overwritten_unless_resuming_was_said(tmp_path):
    followed_until(tmp_path / "toy", 1)
    with pytest.raises(CxrError, match=r"The run 'toy' exists\. Say --resume, or remove it"):
        Run(tmp_path / "toy").begin(CONFIG, DATA, resume=False)


@pytest.mark.parametrize(
    ("recipe", "data"), [(replace(CONFIG, warmup=4), DATA), (CONFIG, {"numbers": "cd" * 32})], ids=["recipe", "data"]
)
def test_a_run_made_of_something_else_is_not_resumed(tmp_path, recipe, data):
    Run(tmp_path / "toy").begin(CONFIG, DATA, resume=False)
    with pytest.raises(CxrError, match="recipe or the data of run 'toy' changed"):
        Run(tmp_path / "toy").begin(recipe, data, resume=True)


def test_resuming_a_run_that_never_began_begins_it(tmp_path, unbroken):
    assert_as_unbroken(follow(tmp_path / "toy", resume=True), unbroken)


def test_the_weights_with_the_best_figure_are_kept_the_first_of_equals(tmp_path):
    run = Run(tmp_path / "toy")
    run.begin(CONFIG, DATA, resume=False)
    train(TinyStage(figures=iter([0.1, 0.3, 0.7, 0.7, 0.2, 0.6])), CONFIG, run)
    best = open_checkpoint(run.folder / "best")
    assert best.manifest["step"] == 6
    assert best.manifest["measured"] == {"figure": 0.7}


def test_the_rate_warms_up_and_then_falls_to_nothing(tmp_path):
    from training.loop import _schedule

    shares = [_schedule(step, CONFIG) for step in range(CONFIG.steps + 1)]
    assert shares[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert shares[-1] == pytest.approx(0)
    assert shares[3:] == sorted(shares[3:], reverse=True)


class ShareOf(Workers):
    """What one of several workers would take, without a second process."""

    def __init__(self, rank, count):
        self.rank, self.count = rank, count


@pytest.mark.parametrize(("items", "count"), [(8, 2), (7, 3), (2, 4), (0, 2)])
def test_shares_are_in_order_hold_everything_once_and_differ_by_one_at_most(items, count):
    shares = [list(ShareOf(rank, count).share(range(items))) for rank in range(count)]
    assert [item for share in shares for item in share] == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("asked", "native", "given"), [("bf16", True, "bf16"), ("bf16", False, "fp32"), ("no", True, "fp32")]
)
def test_a_processor_that_would_emulate_bf16_trains_in_fp32(monkeypatch, asked, native, given):
    monkeypatch.setattr("models.precision._native_bf16", lambda device: native)
    assert LoopConfig(steps=1, precision=asked).placement().precision == given
