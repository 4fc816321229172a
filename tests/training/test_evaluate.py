from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from toys import CORPUS, WordCounts

from models.interfaces import CxrError, UnknownTower
from training import evaluate, tables
from training.embeddings import CachedEncoder
from training.evaluate import as_text, measure, measured_texts, write
from training.tasks.base import Figure, TaskCard, dense, words
from training.tasks.retrieval import findings_to_impression


def refused(encoders, tasks, file=None):
    next(measure(encoders, tasks, "test", file))


def measured(*rankers):
    return measured_texts(CORPUS, "test", [findings_to_impression(CORPUS, "test")], rankers)


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(CxrError, match=r"There is no task '9'\. Known: 1, 2, 3, 4, 5, multimodal\."):
        refused(["bm25"], ["2", "9"])


def test_an_unknown_encoder_is_refused_before_anything_is_measured_wherever_it_stands(monkeypatch):
    monkeypatch.setattr(evaluate.openi, "read", lambda: pytest.fail("the corpus was read"))
    with pytest.raises(UnknownTower, match="'nosuch'"):
        refused(["bm25", "nosuch"], ["2"])


def test_an_encoder_for_films_alone_is_no_ranker_of_texts_and_is_measured_on_films(monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate.openi, "read", lambda: CORPUS)
    monkeypatch.setattr(evaluate, "images_folder", lambda: tmp_path)
    monkeypatch.setattr(evaluate, "multimodal", lambda encoders, corpus, split: [{"measured": list(encoders)}])
    with pytest.raises(CxrError, match="'clip4cxr' is for films"):
        refused(["clip4cxr"], ["2"])
    assert list(evaluate.measure(["clip4cxr"], ["multimodal"], "test", None)) == [(None, [{"measured": ["clip4cxr"]}])]


def test_a_file_in_no_folder_is_refused_first(tmp_path):
    with pytest.raises(CxrError, match="does not exist"):
        refused(["bm25"], ["2"], tmp_path / "none" / "text.json")


def test_films_that_are_not_there_are_missed_before_the_texts_are_measured(monkeypatch):
    monkeypatch.delenv("CXR_IMAGES", raising=False)
    with pytest.raises(CxrError, match="CXR_IMAGES"):
        refused(["bm25"], ["2", "multimodal"])


def test_the_command_answers_an_error_with_one_line_and_status_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", "--tasks", "9"])
    with pytest.raises(SystemExit) as ended:
        evaluate.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "There is no task '9'. Known: 1, 2, 3, 4, 5, multimodal.\n"


def test_every_figure_names_its_task_encoder_instruction_n_interval_chance_floor_and_control():
    results = measured(dense(WordCounts()), words())
    row = next(row for row in results["rows"] if (row["part"], row["encoder"]) == ("unseen", "toy"))
    assert row.keys() == {
        *("task", "part", "measure", "encoder", "instruction", "n"),
        *("value", "low", "high", "chance", "floor", "shuffled"),
    }
    assert (row["task"], row["measure"], row["n"], row["chance"]) == ("2", "recall@1", 2, 0.3333)
    assert row["instruction"] == "Summarize the CXR report"
    assert row["low"] <= row["value"] <= row["high"]
    assert {row["instruction"] for row in results["rows"] if row["encoder"] == "bm25"} == {""}
    assert len(results["rows"]) == 2 * 3 * 3  # rankers, parts, ranks


def test_encoders_are_told_with_pooling_precision_and_revision():
    toy, bm25 = measured(dense(WordCounts()), words())["encoders"]
    assert (toy["name"], toy["pooling"], toy["precision"], toy["revision"], toy["dim"]) == (
        "toy",
        "count",
        "fp32",
        "r1",
        64,
    )
    assert (bm25["name"], bm25["revision"], bm25["instructed"]) == ("bm25", "", False)


class Fixed:
    """A task whose figures are given."""

    card = TaskCard("0", "", "", "", "", 2)
    instruction = ""

    def __init__(self, **values) -> None:
        self._values = values

    def figures(self, ranker):
        values = np.array(self._values[ranker.card.name], dtype=np.float64)[:, None]
        return [Figure(part, "recall@1", values, 0.5, None, None) for part in ("all", "seen")]


def compared(**values):
    rankers = [dense(WordCounts(name)) for name in values]
    return measured_texts(CORPUS, "test", [Fixed(**values)], rankers)["comparisons"]


def test_every_two_encoders_are_compared_once_on_the_whole():
    rows = compared(a=[1, 1, 1, 0], b=[0, 0, 0, 1], c=[1, 0, 1, 0])
    assert [(row["encoder"], row["against"], row["part"]) for row in rows] == [
        *(("a", "b", "all"), ("a", "c", "all"), ("b", "c", "all")),
    ]
    first = rows[0]
    assert (first["difference"], first["n"]) == (0.5, 4)
    assert first["p"] == pytest.approx(10 / 16, abs=0.02)
    assert first["p_holm"] == 1


def test_nothing_is_compared_at_the_ceiling():
    rows = compared(a=[1, 1, 1, 1], b=[0, 0, 0, 1], c=[1, 0, 1, 0])
    assert [(row["encoder"], row["against"]) for row in rows] == [("b", "c")]


def test_two_encoders_of_one_name_are_refused():
    with pytest.raises(CxrError, match="same name"):
        measured(words(), words())


def test_the_same_measurement_twice_gives_the_same_file(tmp_path, monkeypatch):
    file, counted = tmp_path / "text.json", WordCounts()
    write(file, measured(dense(CachedEncoder(counted, tmp_path / "vectors")), words()))
    first, asked = file.read_bytes(), len(counted.asked)

    class Later(evaluate.date):
        @classmethod
        def today(cls):
            return cls(2999, 1, 1)

    monkeypatch.setattr(evaluate, "date", Later)
    write(file, measured(dense(CachedEncoder(counted, tmp_path / "vectors")), words()))
    assert file.read_bytes() == first
    assert len(counted.asked) == asked
    write(file, measured(words()))
    assert json.loads(file.read_text())["measured"] == "2999-01-01"


def test_a_file_of_something_else_is_replaced(tmp_path):
    file = tmp_path / "text.json"
    file.write_text("[]")
    write(file, measured(words()))
    assert json.loads(file.read_text())["corpus"] == "openi"


def test_a_result_file_has_one_record_a_line_and_sorted_keys():
    results = {"rows": [{"b": 1, "a": "é"}, {"a": 2}], "corpus": "x", "comparisons": []}
    assert (
        as_text(results) == '{\n"comparisons": [],\n"corpus": "x",\n"rows": [\n {"a": "é", "b": 1},\n {"a": 2}\n]\n}\n'
    )
    assert json.loads(as_text(results)) == results


def test_the_listing_tells_every_figure_and_comparison():
    told = tables.listing(measured(dense(WordCounts()), words()))
    assert "openi, test split" in told
    assert "toy, fp32, count, r1" in told
    assert sum(line.startswith("2  ") for line in told.splitlines()) >= 18
