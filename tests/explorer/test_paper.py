from __future__ import annotations

import json

import pytest

from explorer import results
from explorer.errors import Foreign
from explorer.paper import PaperTable, read_paper_tables
from explorer.review.statistics import RaterRow, pooled

FILMS, RANKS, RATERS = read_paper_tables()


def at(table: PaperTable, model: str, made_of: str = "") -> dict[tuple[str, str], float | None]:
    (row,) = [row for row in table.rows if (row.model, row.made_of) == (model, made_of)]
    columns = [(group.name, measure) for group in table.groups for measure in group.measures]
    return dict(zip(columns, row.values, strict=True))


def test_table_5_is_whole():
    assert len(FILMS.rows) == 23
    whole = at(FILMS, "LLM2CLIP4CXR section", "CLIP · M, C, P, Pr")
    assert [whole["MIMIC-CXR", f"recall@{k}"] for k in (1, 5, 10)] == [0.179, 0.442, 0.567]
    assert whole["Open-I", "GREEN"] == 0.618
    assert at(FILMS, "BioViL", "CLIP · M")["Open-I", "RaTEScore"] == 0.569
    assert at(FILMS, "MedCLIP", "CLIP · M")["MIMIC-CXR", "CheXbert macro-F1"] == 0.287


def test_generators_have_clinical_figures_and_no_recall():
    generated = at(FILMS, "MAIRA2(7B)", "generator · M, P, U")
    assert generated["Open-I", "recall@1"] is None
    assert generated["Open-I", "RadGraph F1"] == 0.201
    assert sum(None in row.values for row in FILMS.rows) == 3


def test_the_raters_of_table_c9_add_up_to_table_6():
    kinds = dict.fromkeys(RATERS.groups[0].measures[:3], "human")
    rows = [
        RaterRow(rater, kinds.get(rater, "llm"), row.model, cells["Mean rank", rater], cells["First places", rater], 1)
        for row in RATERS.rows
        for cells in [at(RATERS, row.model)]
        for rater in RATERS.groups[0].measures
    ]
    found = {group: {one.model: one for one in pooled(rows, group)} for group in ("human", "judge", "all")}
    for row in RANKS.rows:
        people, judges, overall = (found[group][row.model] for group in ("human", "judge", "all"))
        ranks = [people.mean_rank, judges.mean_rank, overall.mean_rank]
        assert ranks == pytest.approx(row.values[:3], abs=0.02)
        assert (people.first, judges.first) == row.values[3:]


def test_every_table_says_what_may_not_be_compared():
    for table in (FILMS, RANKS):
        assert any(": no." in note for note in table.notes)
        assert any("interval" in note for note in table.notes)
    assert any("4.00, 4.22, 3.89" in note for note in RATERS.notes)  # the slip that is not repeated


@pytest.mark.parametrize("values", [[0.1], [0.1, True], [0.1, "0.2"], "ab"])
def test_a_row_that_does_not_fit_its_columns_is_refused(tmp_path, values):
    columns = [{"name": "A", "decimals": 3, "measures": ["x", "y"]}]
    table = {"title": "T", "about": "", "notes": [], "columns": columns}
    (tmp_path / "paper.json").write_text(
        json.dumps({"tables": [{**table, "rows": [{"model": "m", "made_of": "", "values": values}]}]})
    )
    with pytest.raises(Foreign):
        read_paper_tables(tmp_path)


def test_the_paper_is_read_from_where_all_results_are():
    assert read_paper_tables(results.FOLDER) == (FILMS, RANKS, RATERS)
