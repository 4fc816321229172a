from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models.interfaces import WeightsMissing
from training import clip, contrastive
from training.command import stage_command


@pytest.fixture
def said(monkeypatch):
    """Set what the command line says."""
    return lambda *words: monkeypatch.setattr(sys, "argv", ["training.stage", *words])


@pytest.mark.parametrize(("words", "resume"), [(("a/b.toml",), False), (("a/b.toml", "--resume"), True)])
def test_the_stage_gets_the_recipe_and_whether_to_resume(said, words, resume):
    said(*words)
    calls = []
    stage_command("About.", lambda file, resumed: calls.append((file, resumed)))
    assert calls == [(Path("a/b.toml"), resume)]


def test_an_error_is_one_line_on_stderr_and_status_2(said, capsys):
    def run(_file, _resume):
        raise WeightsMissing("There are no weights. Fetch them.")

    said("a.toml")
    with pytest.raises(SystemExit) as ended:
        stage_command("About.", run)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "There are no weights. Fetch them.\n")


def test_a_mistake_of_ours_is_not_hidden(said):
    said("a.toml")
    with pytest.raises(ZeroDivisionError):
        stage_command("About.", lambda _file, _resume: 1 // 0)


@pytest.mark.parametrize("stage", [contrastive, clip])
def test_every_stage_refuses_a_recipe_that_is_not_there_before_anything_is_read(said, capsys, stage, tmp_path):
    said(str(tmp_path / "gone.toml"))
    with pytest.raises(SystemExit) as ended:
        stage_command(stage.__doc__, stage.run_recipe)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "There is no recipe gone.toml.\n"


def test_help_shows_the_first_line_of_what_the_stage_does(said, capsys):
    said("--help")
    with pytest.raises(SystemExit) as ended:
        stage_command("What it does.\n\nMore.", lambda _file, _resume: None)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "What it does." in shown
    assert "More." not in shown
