from __future__ import annotations

from dataclasses import replace

from made_explorer import CORPUS

from explorer.ui.again_html import Choices, again

HOSTILE = '<img src=x onerror="alert(1)">'


def test_nothing_can_be_started_on_a_corpus_that_has_no_texts_for_any_task():
    page = again(Choices([("2", "Task 2")], [replace(CORPUS, sections={})], [("pocket", "pocket")]))
    assert '<button type="submit" disabled>' in page
    assert "has no findings: Tasks 1, 2, 3 and 5 cannot be measured on it." in page


def test_a_single_corpus_is_no_choice_and_is_named_all_the_same():
    page = again(Choices([("2", "Task 2")], [CORPUS], []))
    assert '<input type="hidden" name="corpus" value="made-up">' in page
    assert 'class="lacks"' not in page


def test_nothing_of_the_form_reaches_the_page_as_markup():
    corpora = [replace(CORPUS, name=name, title=HOSTILE, sections={}) for name in (HOSTILE, "b")]
    assert "<img" not in again(Choices([(HOSTILE, HOSTILE)], corpora, [(HOSTILE, HOSTILE)]))
