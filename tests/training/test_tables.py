from __future__ import annotations

import json

from training import tables
from training.tables import films_tables, paper_table, readme_with, rewrite_readme, text_table


def row(task, measure, encoder, value, part="all"):
    about = {"task": task, "measure": measure, "encoder": encoder, "part": part, "n": 9}
    return {**about, "value": value, "low": value - 0.01, "high": value + 0.01, "floor": 0.05, "chance": 0.002}


TEXT = {
    "split": "test",
    "measured": "2026-01-02",
    "encoders": [
        {"name": "toy", "revision": "0123456789", "precision": "bf16", "pooling": "mean"},
        {"name": "bm25", "revision": "", "precision": "", "pooling": ""},
    ],
    "rows": [
        row("2", "recall@1", "toy", 0.3),
        row("2", "recall@1", "bm25", 0.1),
        row("2", "recall@10", "bm25", 0.4),
        row("2", "recall@10", "toy", 0.6, part="unseen"),
        {**row("4 stability", "agreement@10 short", "bm25", 0.2), "floor": None},
    ],
    "comparisons": [
        {"task": "2", "part": "all", "measure": measure, "encoder": "toy", "against": "bm25", "p_holm": p}
        for measure, p in (("recall@1", 0.049), ("recall@10", 0.05))
    ],
}
PAPER = {
    "source": "Somebody, 2025",
    "why_not_the_same": "Other tests.",
    "rows": [
        {"task": "2", "measure": "recall@1", "encoder": "LLM", "value": 0.2},
        {"task": "5", "measure": "RadGraph F1", "encoder": "LLM", "value": 0.4},
    ],
}
FILMS = [
    {
        "task": "multimodal",
        "split": "test",
        "encoder": "toy",
        "revision": "abcdef0123",
        "precision": "fp32",
        "reports": 11,
        "figures": {
            "all": {
                "films": 5,
                "patients": 3,
                "precision@5": {"mean": 0.6, "low": 0.59, "high": 0.61, "n": 3},
                "chance": 0.4,
                "floor": 0.5,
            },
        },
    },
]


def test_every_figure_is_shown_with_interval_floor_and_chance():
    shown = text_table(TEXT)
    assert "on the test split, measured 2026-01-02" in shown
    assert "| task | n | toy | bm25 | *floor* | *chance* |" in shown
    assert "| 2 · findings → impression, R@1 | 9 | 0.300 (0.290–0.310) | 0.100 (0.090–0.110) | 0.050 | 0.002 |" in shown
    assert "| 2 · the same, R@10 | 9 | 0.600 (0.590–0.610) | – | 0.050 | 0.002 |" in shown
    assert "| – | 0.200 (0.190–0.210) | – | 0.002 |" in shown
    assert "`toy` bf16, mean, 01234567." in shown


def test_an_encoder_is_marked_only_where_it_is_not_told_apart_from_the_first():
    shown = text_table(TEXT)
    assert "0.100 (0.090–0.110) | 0.050" in shown  # corrected p .049
    assert "| 2 · the same, R@10 | 9 | – | 0.400 (0.390–0.410) ≈ | 0.050" in shown  # .05


def test_the_papers_figures_stand_apart_in_italics_with_the_reason():
    shown = paper_table(PAPER)
    assert "Other tests." in shown
    assert "| *LLM* | *0.200* |" in shown
    assert "0.4" not in shown  # a metric that is not ours


def test_films_are_shown_with_interval_floor_and_chance():
    shown = films_tables(FILMS)
    assert "`toy` fp32, abcdef01" in shown
    assert "| precision@5, a finding shared | all | 3 | 5 | 0.600 (0.590–0.610) | – | 0.500 | 0.400 |" in shown


def test_pairs_of_towers_stand_side_by_side_with_imagenets_features_beside_them():
    told = {"part": "all", "patients": 3, "films": 5, "value": 0.75, "low": 0.7, "high": 0.8, "chance": 0.5}
    told |= {"floor": None, "labels": {"Edema": 0.7, "Hernia": 0.8}}
    measures = [{**told, "measure": "probe"}, {**told, "measure": "probe of ImageNet's features", "value": 0.71}]
    first, second = ({**FILMS[0], "encoder": name, "measures": measures} for name in ("one", "other"))
    second["measures"] = [{**told, "measure": "probe", "value": 0.78}]
    shown = films_tables([first, second])
    assert "| measure | part | patients | films | one | other | ImageNet’s features | *floor* | *chance* |" in shown
    values = " | ".join(f"{value} (0.700–0.800)" for value in ("0.750", "0.780", "0.710"))
    assert f"| probe, 2 findings | all | 3 | 5 | {values} | – | 0.500 |" in shown


def test_only_what_stands_between_the_marks_is_replaced():
    before = "# Title\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nAfter.\n"
    once = readme_with(before, "new")
    assert once == "# Title\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nAfter.\n"
    assert readme_with(once, "new") == once


def test_the_readme_holds_the_tables_of_the_files_that_are_there(tmp_path, monkeypatch):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- measured: begin --><!-- measured: end -->", encoding="utf-8")
    (tmp_path / "text.json").write_text(json.dumps(TEXT), encoding="utf-8")
    (tmp_path / "paper.json").write_text(json.dumps(PAPER), encoding="utf-8")
    monkeypatch.setattr(tables, "README", readme)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    rewrite_readme()
    assert text_table(TEXT) + "\n\n" + paper_table(PAPER) in readme.read_text(encoding="utf-8")


def test_the_shipped_readme_shows_the_shipped_results():
    text = tables.README.read_text(encoding="utf-8")
    for name, table in (("text.json", text_table), ("paper.json", paper_table), ("multimodal.json", films_tables)):
        assert table(json.loads((tables.RESULTS / name).read_text(encoding="utf-8"))) in text, name
