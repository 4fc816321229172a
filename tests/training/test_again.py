from __future__ import annotations

import json
import sys

import pytest
import torch

from models.checkpoint import save_checkpoint
from models.interfaces import CxrError
from training.again import difference, main, recorded


@pytest.fixture
def weights(tmp_path):
    stages = [{"run": "first", "losses": [4.0, 2.0, 1.0]}]
    save_checkpoint(tmp_path / "text", {"w": torch.zeros(1)}, {"stages": stages})
    return tmp_path / "text"


def asked(monkeypatch, tmp_path, weights, losses, name="first"):
    run = tmp_path / name
    run.mkdir()
    lines = [json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in enumerate(losses)]
    (run / "curve.jsonl").write_text("".join(['{"step": 0, "mean": 0.5}\n', *lines]), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["again", str(run), str(weights)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_difference_is_over_the_steps_that_both_have_computed_by_hand():
    assert difference([4.2, 1.9], [4.0, 2.0, 9.0]) == pytest.approx(0.3 / 6)
    with pytest.raises(CxrError, match="no step"):
        difference([], [4.0])


def test_a_run_that_follows_the_curve_ends_well(monkeypatch, tmp_path, weights, capsys):
    assert asked(monkeypatch, tmp_path, weights, [4.0, 2.01]) == 0
    assert "2 steps: follows" in capsys.readouterr().out


def test_a_run_that_goes_elsewhere_says_so(monkeypatch, tmp_path, weights, capsys):
    assert asked(monkeypatch, tmp_path, weights, [4.0, 3.0]) == 2
    assert "does not follow" in capsys.readouterr().out


def test_a_stage_that_did_not_make_the_weights_is_named_an_error(monkeypatch, tmp_path, weights, capsys):
    assert recorded(weights, "first") == [4.0, 2.0, 1.0]
    assert asked(monkeypatch, tmp_path, weights, [4.0], name="other") == 2
    assert "They have: first" in capsys.readouterr().err
