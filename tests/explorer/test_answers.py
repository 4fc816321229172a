from __future__ import annotations

import gc

import numpy as np

from explorer.answers import Answers
from explorer.types import Filters, Query, QueryImage, SearchResult


def answer(query: Query) -> SearchResult:
    return SearchResult(query, "pocket", "report", "cosine", "openi", "report", (), 1.5)


def film(value: int) -> QueryImage:
    pixels = np.full((2, 2), value, np.uint8)
    return QueryImage(pixels, pixels.astype(np.uint16), (1.0, 2.0), "PNG", f"digest of {value}", ())


def test_a_question_asked_again_is_answered_with_its_own_query_and_the_time_it_took_now():
    kept = Answers()
    kept.put(Query("small effusion"), ("pocket", 10), answer(Query("small effusion")))
    again = kept.get(Query("small effusion"), ("pocket", 10))
    assert again is not None
    assert again.query == Query("small effusion")
    assert again.seconds < 1


def test_another_text_option_film_or_study_is_another_question():
    kept = Answers()
    kept.put(Query("a"), (10, Filters()), answer(Query("a")))
    kept.put(Query(image=film(1)), (10, Filters()), answer(Query(image=film(1))))
    assert kept.get(Query("a "), (10, Filters())) is None
    assert kept.get(Query("a"), (20, Filters())) is None
    assert kept.get(Query("a"), (10, Filters(view="PA"))) is None
    assert kept.get(Query(study="a"), (10, Filters())) is None
    assert kept.get(Query(image=film(2)), (10, Filters())) is None
    assert kept.get(Query(image=film(1)), (10, Filters())) is not None


def test_the_query_itself_is_not_kept():
    kept = Answers()
    secret = Query("patient Miller, effusion")
    kept.put(secret, (), answer(secret))
    reached, line = set(), [kept]
    while line:  # everything that can be reached from the object
        for one in gc.get_referents(line.pop()):
            if id(one) not in reached and not isinstance(one, type) and type(one).__name__ != "module":
                reached.add(id(one))
                line.append(one) if not callable(one) else None
    assert id(secret) not in reached
    assert id(secret.text) not in reached


def test_the_answer_longest_unasked_makes_room():
    kept = Answers(size=2)
    for text in ("a", "b"):
        kept.put(Query(text), (), answer(Query(text)))
    kept.get(Query("a"), ())
    kept.put(Query("c"), (), answer(Query("c")))
    assert [kept.get(Query(text), ()) is None for text in "abc"] == [False, True, False]


def test_answers_are_forgotten_after_a_while_and_on_demand():
    now = [0.0]
    kept = Answers(seconds=60, clock=lambda: now[0])
    kept.put(Query("a"), (), answer(Query("a")))
    now[0] = 60.0
    assert kept.get(Query("a"), ()) is not None
    now[0] = 60.5
    assert kept.get(Query("a"), ()) is None
    kept.put(Query("b"), (), answer(Query("b")))
    kept.clear()
    assert kept.get(Query("b"), ()) is None
