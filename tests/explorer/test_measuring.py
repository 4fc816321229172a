from __future__ import annotations

import json
import time

import pytest

from explorer import measuring, results
from explorer.errors import BadQuery, CxrError
from explorer.measuring import FOLDER, lacking, measure
from explorer.progress import silent
from explorer.ui.work import Stopped

COMMAND = """
import sys, time
sys.stderr.write("Task 2: one\\n"); sys.stderr.flush(); time.sleep({pause})
sys.stderr.write("Task 2: two\\n"); sys.stderr.flush(); time.sleep({pause})
if {fails}: sys.exit("The weights are not here.")
open(sys.argv[sys.argv.index("--json") + 1], "w").write(" ".join(sys.argv[1:]))
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Puts a command of our own in the place of the evaluation, where the app looks for it."""

    def put(pause=0.2, fails=False):
        room = tmp_path / "root" / "training"
        room.mkdir(parents=True)
        (room / "__init__.py").write_text("")
        (room / "evaluate.py").write_text(COMMAND.format(pause=pause, fails=fails))
        monkeypatch.setattr(measuring, "ROOT", room.parent)
        monkeypatch.setattr(measuring, "BEAT", 0.05)

    return put


def test_progress_says_what_is_measured_and_the_result_is_kept_apart(command, tmp_path):
    command()
    seen = []
    folder = measure("2", ["one", "two"], "openi", tmp_path, lambda what, share: seen.append((what, share)))
    assert folder == tmp_path / FOLDER
    assert [path.name for path in folder.iterdir()] == ["text.json"]
    assert list(dict.fromkeys(seen))[-2:] == [("Task 2: one", 0.0), ("Task 2: two", 0.5)]


@pytest.mark.parametrize(("corpus", "asked"), [("openi", False), ("padchest", True)])
def test_another_corpus_than_open_i_is_asked_for_by_its_name(command, tmp_path, corpus, asked):
    command(pause=0)
    told = (measure("2", ["one"], corpus, tmp_path, silent) / "text.json").read_text()
    assert ("--prepared padchest" in told) == asked


def test_a_corpus_lacks_the_tasks_whose_sections_it_has_not():
    assert lacking({"findings": 3_400, "impression": 3_900}) == {}
    assert lacking({"findings": 3_400, "impression": 0}) == {"2": "impression", "3": "impression"}
    assert lacking({"impression": 9}) == dict.fromkeys(("1", "2", "3", "5"), "findings")


def test_stopping_ends_the_process_and_leaves_what_was_there(command, tmp_path):
    command(pause=30)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "text.json").write_text("before")

    def tell(what, share):
        if what == "Task 2: one":
            raise Stopped("Stopped.")

    begun = time.monotonic()
    with pytest.raises(Stopped):
        measure("2", ["one"], "openi", tmp_path, tell)
    assert time.monotonic() - begun < 20
    assert (tmp_path / FOLDER / "text.json").read_text() == "before"


def test_a_command_that_fails_says_why_in_its_last_line(command, tmp_path):
    command(pause=0, fails=True)
    with pytest.raises(CxrError, match="The weights are not here"):
        measure("2", ["one"], "openi", tmp_path, silent)
    assert not (tmp_path / FOLDER / "text.json").exists()


@pytest.mark.parametrize(("task", "encoders"), [("6", ["one"]), ("multimodal", ["one"]), ("2", []), ("", ["one"])])
def test_only_known_tasks_and_some_encoder_are_measured(tmp_path, task, encoders):
    with pytest.raises(BadQuery):
        measure(task, encoders, "openi", tmp_path, silent)


@pytest.mark.slow
def test_the_real_command_measures_task_2_by_words(tmp_path):
    folder = measure("2", ["bm25"], "openi", tmp_path, silent)
    found = json.loads((folder / "text.json").read_text())
    shipped = json.loads((results.FOLDER / "text.json").read_text())
    wanted = {
        (row["part"], row["measure"]): row["value"]
        for row in shipped["rows"]
        if (row["task"], row["encoder"]) == ("2", "bm25")
    }
    assert {(row["part"], row["measure"]): row["value"] for row in found["rows"]} == wanted
