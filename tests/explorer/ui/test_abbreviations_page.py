from __future__ import annotations

import re

import gradio as gr
import pytest
from made_comparison import ComparingExplorer
from made_explorer import EXPANDER

from explorer.ui import abbreviations_html
from explorer.ui.abbreviations_page import AbbreviationsPage

NOTE = "sm R PTX s/p CT to WS; QXT"
CT = 4  # the number of CT among the short forms of the note
LONG = "small right pneumothorax status post chest tube to water seal; QXT"


@pytest.fixture(scope="module")
def page() -> AbbreviationsPage:
    with gr.Blocks():  # the page keeps nothing between events, so one is enough
        return AbbreviationsPage(ComparingExplorer())


def last(updates, part):
    """What a part of the page shows after all updates."""
    return [update[part] for update in updates if part in update][-1]


def choice(page, long, span=CT):
    return gr.EventData(page.note, {"span": span, "long": long})


def ask(page, text=NOTE, chosen=None, encoder="pocket"):
    return list(page.ask(text, chosen or {}, encoder, "report", None))


def test_every_short_form_stands_over_its_reading_and_unknown_ones_are_listed(page):
    shown = page.read(NOTE, {})[page.note]
    assert shown.count("<ruby>") == 6
    assert re.search(r'data-span="4"[^>]*>CT</button><rp> \(</rp><rt>chest tube</rt>', shown)
    assert f"in full</span> {LONG}" in shown
    assert '<div class="unknowns"><h3>Not in the lexicon</h3><ul><li>QXT</li></ul>' in shown


def test_the_readings_of_a_short_form_come_with_scores_and_the_words_that_decided(page):
    shown = page.read(NOTE, {})[page.note]
    readings = re.search(r'<section class="readings" id="readings-4".*?</section>', shown)[0]
    assert "Decided by <mark>s/p</mark> <mark>to</mark> <mark>WS</mark>." in readings
    shares = dict(re.findall(r'data-long="([^"]+)".*?<span class="share">([^<]+)</span>', readings))
    assert list(shares) == ["chest tube", "computed tomography", "cardiothoracic"]
    assert shares["computed tomography"] == "&lt;1 %"
    assert "The lexicon has one reading of it." in shown


def test_scores_are_not_rounded_to_nothing_or_all():
    shares = [abbreviations_html.share_words(share) for share in (0.0, 0.004, 0.5, 0.996, 1.0)]
    assert shares == ["0 %", "&lt;1 %", "50 %", "&gt;99 %", "100 %"]


def test_an_empty_box_says_what_to_do_and_a_note_that_is_too_long_is_refused(page):
    assert "Paste a note." in page.read("  ", {})[page.note]
    assert 'role="alert"' in page.read("x" * 4_001, {})[page.note]


def test_reports_for_the_short_and_the_long_form_stand_side_by_side_with_one_number(page):
    updates = ask(page)
    lists, status = last(updates, page.lists), last(updates, page.status)
    assert lists.count('class="column"') == 2
    assert LONG in lists
    stay, of = map(int, re.search(r"<strong class=\"stays\">(\d+) of (\d+) stay", status).groups())
    assert of == 10
    assert lists.count("<line ") == stay
    moved = last(updates, page.moved)
    assert (moved["pocket"].stay, moved["pocket"].of) == (stay, 10)
    assert f"{stay} of 10 stay" in last(updates, page.overlaps)
    assert last(updates, page.overlaps).count("not asked yet") == 3


def test_another_reading_changes_the_note_and_its_reports(page):
    asked = ask(page)
    arguments = (NOTE, {}, "pocket", "report", None, last(asked, page.moved))
    updates = list(page.choose(*arguments, choice(page, "computed tomography")))
    assert last(updates, page.chosen) == {CT: "computed tomography"}
    note = last(updates, page.note)
    assert "status post computed tomography to water seal" in note
    assert "Read as you chose. By the note it is chest tube." in note
    assert 'id="readings-4" data-readings="4">' in note  # stays open
    assert "computed tomography to water seal" in last(updates, page.lists)
    assert last(updates, page.lists) != last(asked, page.lists)


def test_a_reading_chosen_before_any_reports_are_shown_asks_for_none(page):
    updates = list(page.choose(NOTE, {}, "pocket", "report", None, {}, choice(page, "computed tomography")))
    assert [set(update) for update in updates] == [{page.note, page.chosen}]


@pytest.mark.parametrize(("long", "span"), [("no such", CT), ("chest tube", 99), (None, CT), ("chest tube", "4")])
def test_a_reading_that_is_not_offered_is_refused(page, long, span):
    updates = list(page.choose(NOTE, {}, "pocket", "report", None, {}, choice(page, long, span)))
    assert "no such reading" in last(updates, page.status)


def test_a_changed_note_forgets_the_readings_and_says_that_its_reports_are_of_another(page):
    moved = last(ask(page), page.moved)
    update = page.read("sm R PTX", moved)
    assert update[page.chosen] == {} == update[page.moved]
    assert "The note has changed since" in update[page.status]
    assert page.status not in page.read("sm R PTX", {})


def test_a_note_without_short_forms_moves_nothing(page):
    updates = ask(page, "Small pneumothorax.")
    assert "no report moves" in last(updates, page.status)
    assert last(updates, page.lists) == ""


def test_every_encoder_is_asked_once_and_the_ones_known_are_kept(page):
    moved = last(ask(page), page.moved)
    updates = list(page.ask_all(NOTE, {}, "pocket", "report", None, moved))
    known = last(updates, page.moved)
    assert list(known) == ["pocket", "base", "minilm", "bm25"]
    assert known["pocket"] == moved["pocket"]
    steps = "".join(update.get(page.all_status, "") for update in updates)
    assert "Asking base for the short form" in steps
    assert "Asking pocket" not in steps
    assert "not asked yet" not in last(updates, page.overlaps)


def test_another_encoder_keeps_what_is_known_and_another_section_does_not(page):
    moved = last(ask(page), page.moved)
    other = list(page.ask_other(NOTE, {}, "minilm", "report", None, moved))
    assert set(last(other, page.moved)) == {"pocket", "minilm"}
    again = list(page.ask_again(NOTE, {}, "minilm", "findings", None, last(other, page.moved)))
    assert set(last(again, page.moved)) == {"minilm"}
    assert list(page.ask_other(NOTE, {}, "minilm", "report", None, {})) == []


def test_the_glossary_is_searched_and_shows_all_readings(page):
    update = page.find("CT")
    assert '<th scope="rowgroup" rowspan="3">CT</th>' in update[page.entries]
    assert "computed tomography" in update[page.entries]
    assert "It is not guessed." in page.find("qqxt")[page.entries]


def test_the_glossary_shows_a_part_and_more_on_demand(page):
    first = page.find("")
    assert first[page.entries].count("<tbody>") == 40
    assert first[page.more].visible is True
    more = page.find_more("", first[page.glossary_shown])
    assert more[page.entries].count("<tbody>") == 240
    count = len(EXPANDER.glossary())
    assert f"{count:,} short forms" in more[page.entries]
    assert page.find_more("", count)[page.more].visible is False


def test_text_from_anywhere_is_escaped(page):
    evil = '<img src=x onerror="x"> CT {{x}}'
    updates = ask(page, evil)
    shown = page.read(evil, {})[page.note] + last(updates, page.lists) + page.find("<img>")[page.entries]
    assert "<img" not in shown
    assert "{{" not in shown


def test_another_corpus_is_asked_where_it_is_chosen(page):
    updates = list(page.ask(NOTE, {}, "pocket", "report", "ours"))
    assert last(updates, page.status).endswith("· ours</p>")
