from __future__ import annotations

from dataclasses import replace

import gradio as gr
import pytest
from made_explorer import CORPUS, FakeExplorer, film

from explorer.types import Query
from explorer.ui.search_page import SearchPage

OPTIONS = ("pocket", "report", 10, "", "", "")  # encoder, section, k, age from, age to, view


@pytest.fixture(scope="module")
def page() -> SearchPage:
    with gr.Blocks():  # the page keeps nothing between events, so one is enough
        return SearchPage(FakeExplorer(), gr.HTML())


@pytest.fixture
def dropped(tmp_path):
    """What Gradio hands over for a dropped file."""

    def upload(data: bytes) -> dict[str, object]:
        (tmp_path / "film.dcm").write_bytes(data)
        return {"path": str(tmp_path / "film.dcm"), "orig_name": "film.dcm"}

    return upload


def last(updates, part):
    """What a part of the page shows after all updates."""
    return [update[part] for update in updates if part in update][-1]


def test_a_note_is_answered_with_as_many_cards_as_asked_for(page):
    updates = list(page.ask_text("sm R PTX", *OPTIONS))
    assert last(updates, page.results).count('class="hit"') == 10
    assert "<strong>10</strong> of 3,930 for this text · cosine · pocket" in last(updates, page.status)


def test_progress_of_the_engine_is_shown_in_place(page):
    steps = [update.get(page.status, "") for update in page.ask_text("slow note", *OPTIONS)]
    assert any("Preparing vectors" in step and 'value="0.400"' in step for step in steps)


def test_an_empty_query_is_refused_in_place_and_the_next_one_answered(page):
    refused = list(page.ask_text("  ", *OPTIONS))
    assert 'role="alert"' in last(refused, page.status)
    assert "The query is empty." in last(refused, page.status)
    assert last(refused, page.results) == ""
    assert last(page.ask_text("sm R PTX", *OPTIONS), page.results).count('class="hit"') == 10


def test_a_film_is_shown_with_its_notes_and_answered(page, dropped):
    updates = list(page.ask_upload(dropped(b"film"), *OPTIONS))
    assert "data:image/png;base64," in last(updates, page.film)
    assert "Stored as MONOCHROME1: inverted once." in last(updates, page.film)
    assert "not through paired reports" in last(updates, page.results)
    assert last(updates, page.drop) is None


def test_a_file_that_is_no_film_is_refused_beside_the_drop_zone_and_changes_nothing_else(page, dropped):
    updates = list(page.ask_upload(dropped(b"text"), *OPTIONS))
    assert 'role="alert"' in last(updates, page.intake)
    touched = {part for update in updates for part in update}
    assert touched == {page.intake, page.drop}


def test_a_film_goes_to_the_first_encoder_that_reads_films_and_the_page_shows_it(page, dropped):
    updates = list(page.ask_upload(dropped(b"film"), "bm25", *OPTIONS[1:]))
    assert last(updates, page.encoder) == "pocket"
    assert "· pocket ·" in last(updates, page.status)


def test_changed_options_ask_the_last_query_again(page):
    asked = last(page.ask_text("sm R PTX", *OPTIONS), page.asked)
    assert asked == Query(text="sm R PTX")
    again = list(page.ask_again(asked, "bm25", "impression", 5, "", "", ""))
    assert last(again, page.results).count('class="hit"') == 5
    assert "of 3,900 for this text · BM25 · bm25 · impression" in last(again, page.status)


def test_changed_options_ask_nothing_before_a_query(page):
    assert list(page.ask_again(None, *OPTIONS)) == [{page.status: ""}]


def test_ages_reach_the_engine_as_years(page):
    narrowed = list(page.ask_text("sm R PTX", *OPTIONS[:3], "40", " 65 ", "PA"))
    assert "No report answers this." in last(narrowed, page.results)


def test_a_removed_film_takes_its_answer_along_but_not_that_of_a_text(page):
    with_film = list(page.forget_film(Query(image=film())))
    assert last(with_film, page.held) is None
    assert last(with_film, page.asked) is None
    with_text = list(page.forget_film(Query(text="sm R PTX")))
    assert {page.results, page.asked}.isdisjoint(with_text[0])


def test_the_page_names_encoder_and_precision_in_the_footer(page):
    assert "pocket · bf16 · cpu" in last(page.introduce(), page.footer)
    assert "bm25 · bf16 · cpu" in last(page.ask_text("PTX", "bm25", *OPTIONS[1:]), page.footer)


def test_an_error_nobody_foresaw_is_told_in_place_and_the_next_query_answered(page):
    assert "ran out of memory" in last(page.ask_text("break", *OPTIONS), page.status)
    assert "pneumothorax" in last(page.ask_text("PTX", *OPTIONS), page.results)


def test_a_corpus_is_chosen_only_where_there_are_several(page):
    assert page.corpus is None
    other = replace(CORPUS, name="ours", title="Our hospital", licence="internal use", scopes={"report": 12})
    with gr.Blocks():
        several = SearchPage(FakeExplorer(others=(other,)), gr.HTML())
    assert several.corpus.choices == [("Made-up reports (3,955)", "made-up"), ("Our hospital (3,955)", "ours")]
    assert several.corpus.value == "made-up"

    updates = list(several.ask_text("sm R PTX", *OPTIONS, "ours"))
    assert "of 12 for this text" in last(updates, several.status)
    assert "internal use" in last(updates, several.footer)
    again = list(several.ask_again(Query(text="sm R PTX"), *OPTIONS, "made-up"))
    assert "of 3,930 for this text" in last(again, several.status)
