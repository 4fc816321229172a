from __future__ import annotations

import html
import json
import re
import time
from dataclasses import replace

import gradio as gr
import pytest
from made_comparison import ComparingExplorer
from made_explorer import CORPUS

from explorer.compare import Joined, Moved, compared
from explorer.types import Query, SearchResult
from explorer.ui import compare_html
from explorer.ui.compare_html import Forms, Judged
from explorer.ui.compare_page import ComparePage

NOTE = "sm R PTX s/p CT to WS"
OPTIONS = (["pocket", "minilm", "bm25"], "report", 10, None)  # rankers, section, hits, corpus


@pytest.fixture(scope="module")
def page() -> ComparePage:
    with gr.Blocks():  # the page keeps nothing between events, so one is enough
        return ComparePage(ComparingExplorer())


def last(updates, part):
    """What a part of the page shows after all updates."""
    return [update[part] for update in updates if part in update][-1]


def brought(table):
    """What the button of a set's table brings to Review."""
    return json.loads(html.unescape(re.search(r'data-review="([^"]+)"', table)[1]))


def pressed(page, row):
    return gr.EventData(page.table, {"row": row})


def test_a_query_is_answered_by_every_ranker_as_typed_and_spelled_out(page):
    updates = list(page.ask(NOTE, *OPTIONS))
    answer = last(updates, page.answer)
    assert answer.count('class="column"') == 6
    assert answer.count('<section class="columns" data-shown="typed"') == 1
    assert "small right pneumothorax status post chest tube to water seal" in answer
    assert "short ↔ long form" in answer
    status = last(updates, page.status)
    assert "<strong>3</strong> rankers, top 10" in status
    assert re.search(r"disagreement <strong>0\.\d\d</strong> as typed, <strong>0\.\d\d</strong> spelled out", status)


def test_a_query_without_short_forms_has_one_form(page):
    answer = last(page.ask("Small right pneumothorax.", *OPTIONS), page.answer)
    assert answer.count('class="column"') == 3
    assert "nothing to spell out" in answer
    assert "short ↔ long form" not in answer


def test_the_counts_above_a_column_add_up_and_name_their_findings(page):
    answer = last(page.ask(NOTE, ["pocket", "bm25"], "report", 5, None), page.answer)
    counts = [int(count) for count in re.findall(r"</span> <b>(\d+)</b> (?:kept|lost)", answer)[:2]]
    assert sum(counts) == 2 * 5  # pneumothorax and chest tube, in five reports each
    assert "of 10: 2 findings asked × 5 reports" in answer
    assert re.search(r'aria-label="\d+ kept: [^"]*chest tube \d \(of 5 reports\)"', answer)


def test_a_query_that_names_no_finding_says_so(page):
    answer = last(page.ask("compare with older films", *OPTIONS), page.answer)
    assert answer.count("no finding was recognised in the query") == 2 * 3


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("  ", OPTIONS, "The query is empty."),
        (NOTE, (["pocket"], "report", 10, None), "Choose 2 to 4 different rankers"),
        (NOTE, (["pocket", "bm25"], "sideways", 10, None), "The page offers no such option."),
        (NOTE, (["pocket", "bm25"], "report", 11, None), "The page offers no such option."),
    ],
)
def test_what_cannot_be_compared_is_refused_in_place(page, text, options, said):
    updates = list(page.ask(text, *options))
    assert 'role="alert"' in last(updates, page.status)
    assert said in last(updates, page.status)
    assert last(updates, page.answer) == ""


def test_rankers_that_find_nothing_are_shown_empty(page):
    answer = last(page.ask("nothing at all", *OPTIONS), page.answer)
    assert answer.count("No report answers.") == 3


def test_progress_of_the_engine_is_shown_in_place(page):
    steps = [update.get(page.status, "") for update in page.ask(NOTE, *OPTIONS)]
    assert any("Asking pocket" in step and 'value="0.000"' in step for step in steps)
    assert any("Asking minilm" in step for step in steps)


def test_a_set_is_sorted_by_disagreement_and_can_be_brought_to_review(page):
    pasted = "sm R PTX\n\nRLL PNA vs atx, no eff\nno acute cp process\nsm R PTX"
    updates = list(page.ask_set(pasted, *OPTIONS))
    table = last(updates, page.table)
    shares = [float(share) for share in re.findall(r'<td class="far"><b>([\d.]+)</b>', table)]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    assert "3 queries, those first" in table
    queries = last(updates, page.judged)
    assert sorted(queries) == ["RLL PNA vs atx, no eff", "no acute cp process", "sm R PTX"]
    assert re.findall(r'data-row="\d" .*?>([^<]+)</button>', table) == list(queries)
    assert brought(table) == {"queries": list(queries), "rankers": OPTIONS[0], "k": 10}


def test_review_gets_as_much_of_a_set_as_one_review_holds():
    rows = [Judged(f"note {number}", 0.5, ()) for number in range(262)]
    table = compare_html.judged(rows, ["pocket"], 5, 262)
    assert len(brought(table)["queries"]) == 200
    assert "Review the 200 most disputed" in table


def test_a_row_of_the_set_opens_its_query_above(page):
    updates = list(page.open_row(pressed(page, 1), ("sm R PTX", "RLL PNA"), *OPTIONS))
    assert last(updates, page.query) == "RLL PNA"
    assert 'class="column"' in last(updates, page.answer)


@pytest.mark.parametrize("row", [-1, 2, "0", None])
def test_a_row_that_is_not_there_is_refused(page, row):
    updates = list(page.open_row(pressed(page, row), ("sm R PTX", "RLL PNA"), *OPTIONS))
    assert "no such row" in last(updates, page.status)


def test_a_set_that_is_stopped_tells_the_engine_and_keeps_what_was_answered():
    explorer = ComparingExplorer()
    with gr.Blocks():
        page = ComparePage(explorer)
    quick = "\n".join(f"note {number}" for number in range(12))
    steps = page.ask_set(f"{quick}\nslow note", *OPTIONS)
    seen = [next(steps)]
    while "Encoding reports" not in seen[-1][page.set_status]:
        seen.append(next(steps))
    begun = time.monotonic()
    steps.close()
    assert time.monotonic() - begun < 0.5
    assert explorer.stopped.wait(5)
    assert 10 <= len(last(seen, page.judged)) <= 12
    assert "of 13 queries" in last(seen, page.table)


def test_an_empty_set_is_refused_and_the_notes_of_task_4_are_put_in(page):
    assert "no query in the set" in last(page.ask_set("\n", *OPTIONS), page.set_status)
    assert len(page.put_in_notes()[page.pasted].splitlines()) == 262


def test_the_rankers_chosen_at_first_are_the_default_one_baseline_and_words(page):
    assert page.rankers.value == ["pocket", "base", "bm25"]


def test_text_from_anywhere_is_escaped():
    evil = '<img src=x onerror="x">{{x}}'
    result = SearchResult(Query(text=evil), evil, "report", "cosine", CORPUS.name, "report", (), 0.1)
    forms = Forms(compared([result, result]), None, (), (evil, evil))
    shown = compare_html.answer(forms) + compare_html.summary(forms, 0.1)
    shown += compare_html.judged([Judged(evil, 0.5, ())], [evil], 10, 1)
    assert "<img" not in shown
    assert "{{" not in shown


def test_a_line_joins_the_ranks_on_both_sides_of_a_gutter_and_passes_behind_a_column_between():
    crossing = compare_html._crossing
    assert crossing((1, 3), 1) == (0.5, 2.5)
    assert crossing((1, None), 1) is None
    start, end = crossing((1, None, 9), 1), crossing((1, None, 9), 2)
    # two gutters of 1 and a column of 6 between them: the line falls by 8 ranks over a length of 8
    assert start == pytest.approx((0.5, 1.5))
    assert end == pytest.approx((7.5, 8.5))
    assert crossing((1, 2, 9), 2) == (1.5, 8.5)


def test_how_far_an_answer_moves_is_told_in_numbers():
    assert compare_html.across(Moved(6, 10, 0.4567)) == "<b>0.46</b> <small>6 of 10 stay</small>"
    assert Joined("a", (1, None, 3)).found_by == 2


def test_a_corpus_is_chosen_only_where_there_are_several(page):
    assert isinstance(page.corpus, gr.State)
    with gr.Blocks():
        several = ComparePage(ComparingExplorer(others=(replace(CORPUS, name="ours", title="Our hospital"),)))
    assert [name for _, name in several.corpus.choices] == ["made-up", "ours"]
    updates = list(several.ask(NOTE, *OPTIONS[:3], "ours"))
    assert "· ours ·" in last(updates, several.status)
