from __future__ import annotations

import re
from dataclasses import replace

import gradio as gr
import pytest
from made_explorer import CORPUS, FakeExplorer, film

from explorer.types import Query
from explorer.ui.search_page import SearchPage

OPTIONS = ("pocket", "report", 10, "", "", "", "", "", [], [])  # in the order of `Chosen`


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
    updates = list(page.ask_text("sm R PTX", (), *OPTIONS))
    assert last(updates, page.results).count('class="hit"') == 10
    assert "<strong>10</strong> of 3,930 for this text · cosine · pocket" in last(updates, page.status)


def test_progress_of_the_engine_is_shown_in_place(page):
    steps = [update.get(page.status, "") for update in page.ask_text("slow note", (), *OPTIONS)]
    assert any("Preparing vectors" in step and 'value="0.400"' in step for step in steps)


def test_an_empty_query_is_refused_in_place_and_the_next_one_answered(page):
    refused = list(page.ask_text("  ", (), *OPTIONS))
    assert 'role="alert"' in last(refused, page.status)
    assert "The query is empty." in last(refused, page.status)
    assert last(refused, page.results) == ""
    assert last(page.ask_text("sm R PTX", (), *OPTIONS), page.results).count('class="hit"') == 10


def test_a_film_is_shown_with_its_notes_and_answered(page, dropped):
    updates = list(page.ask_upload(dropped(b"film"), (), *OPTIONS))
    assert "data:image/png;base64," in last(updates, page.film)
    assert "Stored as MONOCHROME1: inverted once." in last(updates, page.film)
    assert "not through paired reports" in last(updates, page.results)
    assert last(updates, page.drop) is None


def test_of_a_film_whose_picture_the_browser_has_only_the_pixels_for_the_encoders_are_kept(page, dropped):
    updates = list(page.ask_upload(dropped(b"film"), (), *OPTIONS))
    for kept in (last(updates, page.held), last(updates, page.asked).image, last(updates, page.visits)[-1].query.image):
        assert kept.display.size == 0
        assert kept.pixels.size > 1_000_000


def test_a_file_that_is_no_film_is_refused_beside_the_drop_zone_and_changes_nothing_else(page, dropped):
    updates = list(page.ask_upload(dropped(b"text"), (), *OPTIONS))
    assert 'role="alert"' in last(updates, page.intake)
    touched = {part for update in updates for part in update}
    assert touched == {page.intake, page.drop}


def test_a_film_goes_to_the_first_encoder_that_reads_films_and_the_page_shows_it(page, dropped):
    updates = list(page.ask_upload(dropped(b"film"), (), "bm25", *OPTIONS[1:]))
    assert last(updates, page.options.encoder) == "pocket"
    assert "· pocket ·" in last(updates, page.status)


def test_changed_options_ask_the_last_query_again(page):
    asked = last(page.ask_text("sm R PTX", (), *OPTIONS), page.asked)
    assert asked == Query(text="sm R PTX")
    again = list(page.ask_again(asked, (), "bm25", "impression", 5, *OPTIONS[3:]))
    assert last(again, page.results).count('class="hit"') == 5
    assert "of 3,900 for this text · BM25 · bm25 · impression" in last(again, page.status)


def test_changed_options_ask_nothing_before_a_query(page):
    assert list(page.ask_again(None, (), *OPTIONS)) == [{page.status: ""}]


def test_ages_reach_the_engine_as_years(page):
    narrowed = list(page.ask_text("sm R PTX", (), *OPTIONS[:3], "40", " 65 ", "PA", *OPTIONS[6:]))
    ages = re.findall(r"<aside><p>(\d+) y", last(narrowed, page.results))
    assert len(ages) == 10
    assert all(40 <= int(age) <= 65 for age in ages)
    assert "3 filters" in last(narrowed, page.status)


def test_a_removed_film_takes_its_answer_along_but_not_that_of_a_text(page):
    with_film = list(page.forget_film(Query(image=film())))
    assert last(with_film, page.held) is None
    assert last(with_film, page.asked) is None
    with_text = list(page.forget_film(Query(text="sm R PTX")))
    assert {page.results, page.asked}.isdisjoint(with_text[0])


def test_the_page_names_encoder_and_precision_in_the_footer(page):
    assert "pocket · bf16 · cpu" in last(page.introduce(), page.footer)
    assert "bm25 · bf16 · cpu" in last(page.ask_text("PTX", (), "bm25", *OPTIONS[1:]), page.footer)


def test_an_error_nobody_foresaw_is_told_in_place_and_the_next_query_answered(page):
    assert "ran out of memory" in last(page.ask_text("break", (), *OPTIONS), page.status)
    assert "pneumothorax" in last(page.ask_text("PTX", (), *OPTIONS), page.results)


def test_a_corpus_is_chosen_only_where_there_are_several(page):
    assert page.options.corpus is None
    other = replace(CORPUS, name="ours", title="Our hospital", licence="internal use", scopes={"report": 12})
    with gr.Blocks():
        several = SearchPage(FakeExplorer(others=(other,)), gr.HTML())
    assert several.options.corpus.choices == [("Made-up reports (3,955)", "made-up"), ("Our hospital (3,955)", "ours")]
    assert several.options.corpus.value == "made-up"

    updates = list(several.ask_text("sm R PTX", (), *OPTIONS, "ours"))
    assert "of 12 for this text" in last(updates, several.status)
    assert "internal use" in last(updates, several.footer)
    again = list(several.ask_again(Query(text="sm R PTX"), (), *OPTIONS, "made-up"))
    assert "of 3,930 for this text" in last(again, several.status)


def did(page, what, asked=None, visited=(), options=OPTIONS, **more):
    return list(page.do(gr.EventData(None, {"what": what, **more}), asked, visited, *options))


def test_more_like_a_hit_asks_for_its_neighbours(page):
    updates = did(page, "like", which="made-up:1037")
    assert last(updates, page.asked) == Query(study="made-up:1037")
    assert "like made-up:1037" in last(updates, page.status)
    assert 'data-study="made-up:1037"' not in last(updates, page.results)


def test_a_study_is_liked_by_any_encoder_and_a_film_with_text_only_by_one_with_eyes(page):
    assert "BM25 · bm25" in last(did(page, "like", which="made-up:1037", options=("bm25", *OPTIONS[1:])), page.status)
    both = list(page.ask_both("sm R PTX", film(), 30, (), "bm25", *OPTIONS[1:]))
    assert last(both, page.asked).weight == 0.3
    assert "for this text and film, 30% film · cosine · pocket" in last(both, page.status)


def test_another_weight_asks_again_only_where_both_were_asked(page):
    both = Query(text="sm R PTX", image=film())
    assert "80% film" in last(page.weigh(both, 80, (), *OPTIONS), page.status)
    assert list(page.weigh(Query(text="sm R PTX"), 80, (), *OPTIONS)) == []


def test_undo_forgets_the_last_question_and_shows_the_one_before_as_it_was(page):
    first = last(page.ask_text("sm R PTX", (), *OPTIONS), page.visits)
    second = last(page.ask_text("no eff", first, "bm25", *OPTIONS[1:]), page.visits)
    assert [visit.query.text for visit in second] == ["sm R PTX", "no eff"]
    undone = did(page, "undo", visited=second)
    assert (last(undone, page.query), last(undone, page.options.encoder)) == ("sm R PTX", "pocket")
    assert last(undone, page.visits) == first
    assert did(page, "undo", visited=first) == [{page.status: ""}]


def test_a_finding_left_out_is_in_the_filters_and_in_no_hit(page):
    updates = did(page, "without", Query(text="retic opac"), which="Fibrosis")
    assert last(updates, page.options.without) == ["Fibrosis"]
    assert "fibrosis" not in last(updates, page.results)
    assert "1 filter" in last(updates, page.status)


@pytest.mark.parametrize("which", ["<img src=x>", "Plague", ""])
def test_what_reports_are_not_read_for_is_not_left_out(page, which):
    assert 'role="alert"' in last(did(page, "without", Query(text="x"), which=which), page.status)


def test_an_address_shows_its_choices_and_asks_only_what_its_link_brought(page):
    quiet = did(page, "restore", which="encoder=bm25&k=5&finding=Edema+%C2%B7+absent")
    assert (last(quiet, page.options.encoder), last(quiet, page.options.k)) == ("bm25", 5)
    assert last(quiet, page.options.findings) == ["Edema · absent"]
    assert last(quiet, page.status) == ""
    asked = did(page, "restore", which="k=5", text="sm R PTX")
    assert last(asked, page.results).count('class="hit"') == 5


@pytest.mark.parametrize("what", ["", "drop", "again"])
def test_an_act_that_is_none_changes_nothing(page, what):
    assert did(page, what, which="99") == [{page.status: ""}]


def test_nothing_similar_is_said_only_where_nothing_was_recognised(page):
    assert "Nothing similar." in last(page.ask_text("the kettle", (), *OPTIONS), page.results)
    assert "Nothing similar." not in last(page.ask_text("sm R PTX", (), *OPTIONS), page.results)
    assert "Nothing similar." not in last(page.ask_text("the kettle", (), "bm25", *OPTIONS[1:]), page.results)
