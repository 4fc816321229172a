from __future__ import annotations

import made_results
import pytest
from test_render import PAYLOADS, Structure
from test_results_html import Table

from explorer import results
from explorer.results import Figure, FilmFigure, FilmTowers
from explorer.ui import film_results_html


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[FilmTowers, ...]:
    return results.read_films(made_results.write(tmp_path_factory.mktemp("results")))


def test_each_measure_has_all_films_before_a_part_of_them_and_each_pair_of_towers_a_column(measured):
    assert Table(film_results_html.films(measured)).texts() == [
        [
            *("Measure", "pocketbf16 · p4de4fd5", "clip4cxrbf16 · c4de4fd5", "ImageNet’s featuresnever saw a film"),
            *("floor", "chance", "films", "patients"),
        ],
        ["precision@5, a finding sharedall films", "0.657", "0.647", "–", "0.638", "0.283", "192", "139"],
        ["with a finding", "0.605", "0.595", "–", "0.638", "0.283", "125", "104"],
        ["normal", "0.776", "0.766", "–", "0.638", "0.283", "67", "37"],
        ["reciprocal rank, the same findingsall films", "0.627", "0.627", "–", "0.805", "0.592", "192", "139"],
        ["AUROC, by words (zero-shot)all films · 12 findings", "0.766", "0.766", "–", "–", "0.500", "192", "139"],
        [
            "pairs of films of one view and sampling12 findings",
            *("0.591", "0.591", "–", "–", "0.500", "192", "139"),
        ],
        ["AUROC, linear probeall films · 12 findings", "0.783", "0.783", "0.756", "–", "0.500", "192", "139"],
    ]


def test_a_figure_is_read_in_full(measured):
    spoken = Structure(film_results_html.films(measured)).values
    assert (
        "pocket, reciprocal rank, the same findings, all films: 0.627; 95 % interval 0.587 – 0.667, "
        "192 films of 139 patients, floor 0.805, chance 0.592"
    ) in spoken
    assert (
        "AUROC, linear probe, all films: 0.783; 95 % interval 0.743 – 0.823, 192 films of 139 patients, mean" in spoken
    )


def test_only_the_first_figure_is_a_stop_of_the_tab_key(measured):
    page = film_results_html.films(measured)
    assert page.count('tabindex="0"') == 1
    assert page.index('tabindex="0"') < page.index('tabindex="-1"')


def test_where_nothing_was_measured_there_is_no_table():
    assert film_results_html.films(()) == ""


def test_what_is_shipped_can_be_shown():
    page = film_results_html.films(results.read_films())
    assert "AUROC, by words (zero-shot)" in page
    assert "reciprocal rank" in page


def everything(text: str) -> str:
    figure = Figure(text, text, text, text, "", 3, 0.5, 0.4, 0.6, 0.1, 0.2, None)
    return film_results_html.films([FilmTowers(text, text, text, text, 4, (FilmFigure(figure, 3, 2),))])


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_in_any_field_changes_the_structure_of_the_page(payload):
    assert Structure(everything(payload)).elements == Structure(everything("plain text of a field")).elements
