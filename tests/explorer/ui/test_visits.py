from __future__ import annotations

from made_explorer import film

from explorer.types import Filters, Query
from explorer.ui.options import Wanted
from explorer.ui.visits import FILMS, MOST, Visit, after, shown

WANTED = Wanted("pocket", "report", 10, Filters())


def visit(text: str) -> Visit:
    return Visit(Query(text=text), WANTED)


def test_the_same_question_asked_again_in_the_same_way_counts_once():
    once = after((), visit("a"))
    assert after(once, visit("a")) == once
    assert after(after(once, visit("b")), visit("a")) == (visit("a"), visit("b"), visit("a"))


def test_another_film_is_another_question_and_the_same_film_again_is_not():
    first, second = (Visit(Query(image=film(data)), WANTED) for data in (b"one", b"two"))
    assert after((first,), second) == (first, second)
    assert after((first,), Visit(Query(image=film(b"one")), WANTED)) == (first,)


def test_only_the_last_five_films_are_kept_and_every_text_between_them():
    visited = after((), visit("a"))
    for number in range(FILMS + 3):
        visited = after(visited, Visit(Query(image=film(b"%d" % number, 4, 4)), WANTED))
        visited = after(visited, Visit(Query(text=str(number), image=film(b"%d" % number, 4, 4)), WANTED))
    kept = [one.query.image.digest for one in visited if one.query.image is not None]
    assert len(kept) == 2 * FILMS
    assert len(set(kept)) == FILMS
    assert film(b"7", 4, 4).digest in kept
    assert visited[0] == visit("a")


def test_only_the_last_fifty_questions_are_remembered():
    visited = ()
    for number in range(MOST + 5):
        visited = after(visited, visit(str(number)))
    assert len(visited) == MOST
    assert visited[0] == visit("5")


def test_a_question_is_named_in_a_few_words():
    assert Visit(Query(study="openi:7"), WANTED).question() == "like openi:7"
    assert Visit(Query(image=film()), WANTED).question() == "film"
    assert Visit(Query(text="sm R PTX", image=film()), WANTED).question() == "sm R PTX + film"
    assert len(visit("x" * 500).question()) == 70


def test_one_question_has_nothing_to_go_back_to():
    assert shown((visit("a"),)) == ""
    both = shown((visit("a"), visit("b")))
    assert both.index(">b<") < both.index(">a<")
    assert 'data-again="0"' in both
