from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from explorer import results
from explorer.errors import Damaged, Foreign, NotPrepared

Text = dict[str, object]


def encoder(name: str) -> Text:
    texts = {"name": name, "revision": "5d220631" * 8, "precision": "bf16", "pooling": "latent", "note": ""}
    return {**texts, "dim": 576, "instructed": True}


def task(name: str) -> Text:
    texts = {"task": name, "title": "Findings → impression", "about": "", "query": "findings", "bank": "impressions"}
    return {**texts, "n_distinct": 321}


def row(encoder: str, value: float, measure: str = "recall@1", part: str = "all", **other: object) -> Text:
    where = {"task": "2", "part": part, "measure": measure, "encoder": encoder, "instruction": ""}
    bounds = {"value": value, "low": value - 0.02, "high": value + 0.03}
    return {**where, **bounds, "n": 672, "chance": 0.0031, "floor": 0.094, "shuffled": None, **other}


def compared(encoder: str, against: str, difference: float) -> Text:
    where = {"task": "2", "part": "all", "measure": "recall@1", "encoder": encoder, "against": against}
    return {**where, "difference": difference, "p": 0.0002, "p_holm": 0.0006, "n": 672}


def text() -> Text:
    return {
        "corpus": "made-up",
        "corpus_sha256": "0" * 64,
        "split": "test",
        "measured": "2026-11-22",
        "encoders": [encoder("pocket"), encoder("minilm"), encoder("bm25")],
        "tasks": [task("2"), task("3")],
        "rows": [
            row("minilm", 0.06),
            row("pocket", 0.293, part="seen"),
            row("pocket", 0.293),
            row("pocket", 0.63, "recall@10"),
            row("pocket", 0.51, "recall@5"),
            row("bm25", 0.293),
        ],
        "comparisons": [compared("pocket", "minilm", 0.233), compared("bm25", "pocket", -0.004)],
    }


def read(folder: Path, content: object) -> results.Measured:
    (folder / "text.json").write_text(json.dumps(content), encoding="utf-8")
    return results.read_measured(folder)


def test_a_file_is_read_into_records(tmp_path):
    measured = read(tmp_path, text())
    assert measured.measured == date(2026, 11, 22)
    assert [encoder.name for encoder in measured.encoders] == ["pocket", "minilm", "bm25"]
    assert measured.tasks[0].n_distinct == 321
    assert measured.figures[0] == results.Figure(
        "2", "all", "recall@1", "minilm", "", 672, 0.06, 0.06 - 0.02, 0.06 + 0.03, 0.0031, 0.094, None
    )


def test_measures_come_by_rank_and_the_whole_before_its_parts(tmp_path):
    measured = read(tmp_path, text())
    assert measured.measures("2", "all") == ("recall@1", "recall@5", "recall@10")
    assert measured.parts("2") == ("all", "seen")
    assert measured.measures("2", "seen") == ("recall@1",)


def test_kinds_of_measures_keep_the_order_of_the_file():
    assert results.in_order(["mean rank", "recall@10", "accuracy", "recall@5"]) == (
        "mean rank",
        "recall@5",
        "recall@10",
        "accuracy",
    )


def test_a_column_has_the_figures_in_the_order_of_the_encoders_and_all_ties_are_best(tmp_path):
    measured = read(tmp_path, text())
    column = measured.column(measured.tasks[0], "all", "recall@1")
    assert [figure.encoder for figure in column.figures] == ["pocket", "minilm", "bm25"]
    assert [column.is_best(figure) for figure in column.figures] == [True, False, True]
    assert column.span == (0.0, 0.293 + 0.03)
    assert (column.chance, column.floor) == (0.0031, 0.094)
    assert column.of("base") is None


def test_the_lowest_rank_is_the_best(tmp_path):
    ranks = [row("pocket", 1.7, "mean rank"), row("minilm", 2.4, "mean rank")]
    measured = read(tmp_path, {**text(), "rows": ranks, "comparisons": []})
    column = measured.column(measured.tasks[0], "all", "mean rank")
    assert [column.is_best(figure) for figure in column.figures] == [True, False]


def test_a_column_nobody_measured_is_empty(tmp_path):
    measured = read(tmp_path, text())
    column = measured.column(measured.tasks[1], "all", "accuracy")
    assert (column.figures, column.span, column.chance, column.floor) == ((), (0.0, 0.0), None, None)


def test_a_comparison_is_told_from_the_first_encoder_whichever_way_it_was_written(tmp_path):
    measured = read(tmp_path, text())
    pocket, minilm, bm25 = measured.column(measured.tasks[0], "all", "recall@1").figures
    assert measured.against_first(pocket) is None
    assert measured.against_first(minilm).difference == 0.233
    assert (measured.against_first(bm25).encoder, measured.against_first(bm25).difference) == ("pocket", 0.004)


def test_fields_of_a_newer_file_are_left_out(tmp_path):
    newer = [{**row("pocket", 0.3), "seconds": 12}]
    assert read(tmp_path, {**text(), "rows": newer, "hardware": "cpu"}).figures[0].value == 0.3


def test_no_file_says_which_command_makes_one(tmp_path):
    with pytest.raises(NotPrepared, match=r"python -m training\.evaluate"):
        results.read_measured(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b'{"rows": [', b'{"value": NaN}', b"[" * 100_000])
def test_a_broken_file_is_damaged(tmp_path, content):
    (tmp_path / "text.json").write_bytes(content)
    with pytest.raises(Damaged, match=r"text\.json is damaged"):
        results.read_measured(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [row("nobody", 0.3)]},
        {"rows": [row("pocket", 0.3, task="9")]},
        {"rows": [row("pocket", 0.3), row("pocket", 0.4)]},
        {"rows": [row("pocket", 0.3, low=0.5, high=0.1)]},
        {"rows": [row("pocket", 0.3, n=0)]},
        {"encoders": [encoder("pocket"), encoder("pocket")], "rows": [], "comparisons": []},
        {"encoders": [], "rows": [], "comparisons": []},
        {"comparisons": [{**compared("pocket", "minilm", 0.2), "p_holm": 1.5}]},
        {"comparisons": [{**compared("pocket", "minilm", 0.2), "p": 0.01}]},
    ],
)
def test_figures_that_contradict_each_other_are_damaged(tmp_path, change):
    with pytest.raises(Damaged, match="contradict"):
        read(tmp_path, {**text(), **change})


def without(key: str) -> Callable[[], Text]:
    return lambda: {name: value for name, value in text().items() if name != key}


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda: None,
        lambda: "text",
        *(without(key) for key in text()),
        lambda: {**text(), "rows": {}},
        lambda: {**text(), "rows": [[]]},
        lambda: {**text(), "measured": "yesterday"},
        lambda: {**text(), "rows": [row("pocket", 0.3, n="672")]},
        lambda: {**text(), "rows": [row("pocket", 0.3, n=True)]},
        lambda: {**text(), "rows": [{**row("pocket", 0.3), "encoder": 7}]},
    ],
)
def test_another_kind_of_file_is_foreign(tmp_path, make):
    with pytest.raises(Foreign, match=r"text\.json is not a result file"):
        read(tmp_path, make())


def test_a_number_beyond_all_numbers_is_foreign(tmp_path):
    huge = json.dumps(text()).replace("0.0031", "1e999")
    (tmp_path / "text.json").write_text(huge, encoding="utf-8")
    with pytest.raises(Foreign):
        results.read_measured(tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "text.json").open("wb") as file:
        file.truncate(16 * 2**20)
    with pytest.raises(Foreign):
        results.read_measured(tmp_path)


def film_row(**changes: object) -> Text:
    part = {"films": 125, "patients": 104, "chance": 0.19, "floor": 0.86}
    bounds = {"mean": 0.6356, "low": 0.5621, "high": 0.7109, "n": 104}
    told = {"value": 0.7658, "low": 0.7239, "high": 0.8066, "chance": 0.5, "floor": None}
    counts = {"films": 192, "patients": 139, "labels": {"Edema": 0.8, "Pneumonia": 0.7}}
    about = {"task": "multimodal", "encoder": "pocket", "precision": "bf16", "revision": "74de", "split": "test"}
    measures = [{"measure": "AUROC, by words", "part": "all", **told, **counts}]
    figures = {"all": {**part, "precision@5": bounds}, "with a finding": {**part, "precision@5": bounds}}
    return {**about, "reports": 507, "figures": figures, "measures": measures, **changes}


def test_films_are_one_record_for_each_measure_and_part(tmp_path):
    (tmp_path / "multimodal.json").write_text(json.dumps([film_row()]), encoding="utf-8")
    [towers] = results.read_films(tmp_path)
    assert (towers.encoder, towers.split, towers.reports) == ("pocket", "test", 507)
    told, shared = towers.figures
    assert (told.films, told.findings, told.figure.n, told.figure.part) == (192, 2, 139, "all")
    assert (told.figure.value, told.figure.low, told.figure.high) == (0.7658, 0.7239, 0.8066)
    assert (told.figure.chance, told.figure.floor) == (0.5, None)
    assert (shared.films, shared.findings, shared.figure.n, shared.figure.part) == (125, 0, 104, "with a finding")
    assert (shared.figure.value, shared.figure.floor) == (0.6356, 0.86)


@pytest.mark.parametrize(
    "rows",
    [
        [{"figures": {"all": {}}}],
        [film_row(measures={})],
        [film_row(measures=[7])],
        [film_row(reports="507")],
        {},
    ],
)
def test_what_is_no_film_file_is_foreign(tmp_path, rows):
    (tmp_path / "multimodal.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(Foreign):
        results.read_films(tmp_path)


def test_the_papers_table_is_whole_and_says_why_it_stands_apart():
    paper = results.read_paper()
    at = {(one.encoder, one.task, one.measure): one.value for one in paper.figures}
    assert len(at) == len(paper.figures) == 12 * 15
    assert at["LLM2VEC4CXR(1B)", "2", "recall@1"] == 0.162
    assert at["Base-BERT", "1 omitted", "recall@1"] == 0.520
    assert at["BERT4CXR", "3", "accuracy (strict)"] == 0.381
    assert at["LLM2VEC4CXR(8B)", "4 retrieval", "recall@5"] == 0.926
    assert at["LLM2VEC4CXR+(1B)", "5", "GREEN"] == 0.686
    assert at["LLM2VEC(1B)", "5", "CheXbert macro-F1"] == 0.682
    assert "Not the same tests" in paper.why_not_the_same
    assert any("macro-F1" in note and "doubt" in note for note in paper.notes)
