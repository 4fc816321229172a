from __future__ import annotations

import json
import sys
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path += [str(Path(__file__).parents[1] / room) for room in ("review", "language")]

from film_corpora import FIRST, LABELLED, REPORTED, prepare_films
from made_review import MODELS, made_cases, made_review, said
from review_engine import ReviewedExplorer
from stub_model import running, saying

from explorer.errors import BadReview, StoreError
from explorer.review.store import ReviewStore
from explorer.settings import Settings
from explorer.ui import held
from explorer.ui.review_making import Maker
from explorer.ui.review_page import ReviewPage

XSS = '<img src=x onerror="window.__x=1">${7*7}'


@pytest.fixture
def store(tmp_path):
    store = ReviewStore.open(tmp_path)
    store.create(made_review(), made_cases())
    return store


@pytest.fixture
def door(store, tmp_path):
    return ReviewPage(tmp_path, None)


@pytest.fixture
def whole(store, tmp_path):
    explorer = ReviewedExplorer(settings=Settings(cache=tmp_path / "cache", data=tmp_path))
    return ReviewPage(tmp_path, Maker(explorer, tmp_path))  # type: ignore[arg-type]


def ask(page, act, **more):
    """Send a message as the browser does; return what comes back for the script of the page."""
    return page.answer({"act": act, **more})


def case_of(shown, where="data-case"):
    start = shown["stage"].index(f'{where}="') + len(f'{where}="')
    return json.loads(unescape(shown["stage"][start : shown["stage"].index('"', start)]))


def answer(page, case, seq=1, state="open", act="save", **parts):
    given = {**said(), "levels": [0] * len(case["texts"]), "state": state, **parts}
    return ask(page, act, seat=case["seat"], number=case["number"], seq=seq, action="x", answer=given)


def sat(page, number=1):
    case = case_of(ask(page, "sit", review="r1", reviewer="AB"))
    return case_of(ask(page, "go", seat=case["seat"], number=number))


def test_a_new_reviewer_begins_with_the_practice_case_and_one_who_returns_with_the_first_open_one(door):
    assert case_of(ask(door, "sit", review="r1", reviewer="AB"))["number"] == 0
    case = sat(door)
    answer(door, case, levels=[1, 2, 3], state="submitted", act="turn")
    assert case_of(ask(door, "sit", review="r1", reviewer="AB"))["number"] == 2


def test_nothing_about_a_case_names_a_model_or_a_study(door):
    told = json.dumps(
        [
            ask(door, "open"),
            ask(door, "sit", review="r1", reviewer="AB"),
            case_of(ask(door, "sit", review="r1", reviewer="AB")),
        ]
    )
    sat(door)
    assert not any(name in told for name in (*MODELS, "made-up:"))


def test_a_case_is_submitted_with_all_ranks_or_not_at_all(door, store):
    case = sat(door)
    shown = answer(door, case, levels=[1, 0, 2], state="submitted", act="turn")
    assert "Give every report a rank" in shown["told"]
    answer(door, case, seq=2, levels=[1, 1, 2], state="submitted", act="turn")
    assert store.answer("r1", 1, "AB").levels == (1, 1, 3)  # dense ranks became competition ranks


def test_a_browser_cannot_say_that_it_was_shown_the_ground_truth(door, store):
    answer(door, sat(door), levels=[1, 2, 3], revealed=True, first=[3, 2, 1])
    assert store.answer("r1", 1, "AB").revealed is False
    assert store.answer("r1", 1, "AB").first == ()


def test_a_refused_answer_is_said_and_the_saved_one_stays(door, store):
    case = sat(door)
    answer(door, case, seq=5, levels=[1, 2, 3])
    shown = answer(door, case, seq=6, levels=[1, 2, 9])
    assert 'role="alert"' in shown["told"]
    assert shown["refused"]
    assert store.answer("r1", 1, "AB").levels == (1, 2, 3)


@pytest.mark.parametrize(
    "act", ["results", "forget", "delete", "rules", "queries", "lab", "forget-answers", "nonsense", None]
)
def test_through_the_door_nobody_runs_a_review(door, store, act):
    assert "stage" not in ask(door, act, review="r1", reviewer="AB")
    assert store.reviews()


@pytest.mark.parametrize("kind", ["ratings", "table", "json", "key", "print"])
def test_through_the_door_nothing_is_exported_before_the_answers_are_closed(door, kind):
    case = sat(door)
    shown = ask(door, "export", review="r1", kind=kind, seat=case["seat"])
    assert "Finish the review first" in shown["told"]
    assert not any(name in json.dumps(shown) for name in MODELS)


def test_names_are_shown_at_the_end_and_the_answers_are_closed(door):
    for number in (1, 2, 3):
        shown = answer(door, sat(door, number), levels=[1, 2, 3], state="submitted", act="turn")
    assert "all 3 cases done" in shown["stage"]
    seat = case_of(shown, "data-end")["seat"]
    assert all(name in ask(door, "finish", seat=seat)["stage"] for name in MODELS)
    assert all(name in ask(door, "sit", review="r1", reviewer="AB")["stage"] for name in MODELS)


def posted(page, message):
    """Send a message through Gradio's door; return what the script of the page reads."""
    return json.loads(unescape(page.post(SimpleNamespace(_data=message))))


def test_an_answer_says_which_message_it_is_to(door):
    assert posted(door, {"act": "open", "seq": 41})["ack"] == 41
    assert posted(door, {"act": "nonsense", "seq": 42})["ack"] == 42


def test_what_cannot_be_saved_now_is_not_confirmed(door, monkeypatch):
    def full(*_):
        raise StoreError("The data folder is full. Make room.")

    case = sat(door)
    monkeypatch.setattr(ReviewStore, "save", full)
    given = {**said(), "levels": [1, 2, 3]}
    shown = posted(
        door, {"act": "save", "seat": case["seat"], "number": 1, "seq": 7, "action": "rank", "answer": given}
    )
    assert "Make room" in shown["told"]
    assert "ack" not in shown


def test_a_message_that_comes_twice_is_taken_once_and_answered_twice(door, store):
    case = sat(door)
    answer(door, case, seq=1, levels=[1, 0, 0])
    answer(door, case, seq=2, levels=[1, 2, 0])
    first, second = (case_of(ask(door, "undo", seat=case["seat"], number=1, seq=3)) for _ in range(2))
    assert first["answer"]["levels"] == second["answer"]["levels"] == [1, 0, 0]
    shown = [answer(door, case, seq=4, act="turn", state="skipped") for _ in range(2)]
    assert [case_of(one)["number"] for one in shown] == [2, 2]
    assert [change["action"] for change in store.changes("r1")] == ["x", "x", "undo", "x"]


def test_a_window_that_was_reloaded_goes_on_at_its_case_and_what_it_had_not_said_yet_counts(door, store):
    seat = case_of(ask(door, "sit", review="r1", reviewer="AB"))["seat"]
    case = case_of(ask(door, "go", seat=seat, number=2))
    answer(door, case, seq=9, levels=[3, 2, 1])
    again = case_of(ask(door, "sit", review="r1", reviewer="AB", number=2, session=seat["session"]))
    assert again["number"] == 2
    assert again["answer"]["levels"] == [3, 2, 1]
    assert again["seat"] == seat
    other = case_of(ask(door, "sit", review="r1", reviewer="AB"))["seat"]
    back = case_of(ask(door, "sit", review="r1", reviewer="AB", number=2, session=seat["session"]))["seat"]
    assert len({seat["session"], other["session"], back["session"]}) == 3  # who lost the seat gets a new one


@pytest.mark.parametrize(
    "message",
    [
        None,
        {"act": "save"},
        {"act": "save", "seat": 3},
        {"act": "save", "seat": {"review": "r1", "reviewer": "AB"}, "number": -1, "seq": 1},
        {"act": "go", "seat": {"review": "none", "reviewer": "AB"}, "number": 1},
        {"act": "sit", "review": ["r1"], "reviewer": "AB"},
        {"act": "turn", "seat": {"review": "r1", "reviewer": "AB"}, "number": 2**60, "seq": 1},
    ],
)
def test_messages_that_are_none_change_nothing(door, store, message):
    assert posted(door, message).get("refused")
    assert store.changes("r1") == ()


def test_no_text_of_a_person_or_a_file_becomes_markup(whole, store, tmp_path):
    for number in (1, 2, 3):
        case = case_of(ask(whole, "sit", review="r1", reviewer=XSS))
        case = case_of(ask(whole, "go", seat=case["seat"], number=number))
        answer(whole, case, levels=[1, 2, 3], state="submitted", act="turn", comment=XSS)
    screens = [ask(whole, "open"), ask(whole, "results", review="r1"), ask(whole, "export", review="r1", kind="print")]
    assert not any("<img" in text for shown in screens for text in shown.values())
    printed = screens[2]["text"]
    assert "&lt;img src=x" in printed
    assert ".whisker { display: block; width:" in printed  # an interval without a size would fill the page
    assert "<img" not in printed


def work(page, act, **more):
    *steps, last = (json.loads(unescape(one)) for one in page.work(SimpleNamespace(_data={"act": act, **more})))
    return steps, last


def handed_over(page, text):
    """Send a file in pieces of 40 characters, each twice, and return the name it is held under."""
    name = ""
    for start in range(0, len(text), 40):
        for _ in range(1 if start == 0 else 2):
            name = ask(page, "piece", name=name, start=start, text=text[start : start + 40])["held"]
    return name


FIELDS = {"seed": "5", "asked": "findings", "count": "4", "halve": "on", "encoder": ["pocket", "base", "minilm"]}


def test_a_review_is_made_of_studies_with_progress(whole, store):
    steps, last = work(whole, "make", fields=FIELDS)
    assert any("Asking the encoders" in line for step in steps for line in [step["told"]])
    assert "4 cases" in last["stage"]
    made = next(one for one in store.reviews() if one.id != "r1")
    assert made.about["rule"] == "4 drawn of 12 studies, 4 of 8 normals left out; asked with findings"
    assert all(len(case.candidates) == 3 for case in store.cases(made.id)[1:])


def test_imported_reports_take_part_and_unknown_studies_are_kept_as_a_list(whole, store):
    rows = [{"study_id": f"made-up:{1000 + 37 * n}", "model": "maira-2", "report": f"Report {n}."} for n in range(3)]
    text = "\n".join(json.dumps(row) for row in (*rows, {**rows[0], "study_id": "unheard-of"}))
    _, last = work(whole, "make", fields={**FIELDS, "halve": ""}, generated=handed_over(whole, text))
    made = next(one for one in store.reviews() if one.id != "r1")
    assert made.cases == 3  # the studies that have an imported report
    assert made.about["unknown_studies"] == ["unheard-of"]
    assert all(
        "maira-2" in [name for one in case.candidates for name in one.models] for case in store.cases(made.id)[1:]
    )
    assert "unheard-of" in last["told"]


@pytest.fixture
def with_films(store, tmp_path):
    settings = Settings(cache=tmp_path / "cache", data=tmp_path)
    prepare_films(settings, tmp_path)
    return ReviewPage(tmp_path, Maker(ReviewedExplorer(settings=settings), tmp_path))  # type: ignore[arg-type]


ASKED_WITH_FILMS = {**FIELDS, "asked": "film", "first": "3", "halve": ""}


def test_films_make_cases_whose_ground_truth_is_their_own_report(with_films, store):
    _, last = work(with_films, "make", fields={**ASKED_WITH_FILMS, "films": REPORTED})
    made = next(one for one in store.reviews() if one.id != "r1")
    cases = store.cases(made.id)[1:]
    assert sorted(case.truth for case in cases) == [f"Effusion number {number}." for number in range(3)]
    assert made.about["unread_films"] == 1
    assert made.about["rankers"] == ["pocket"]  # the others read no films
    assert all({"pocket, hit 1", "pocket, hit 2"} <= {*_models(case)} for case in cases)
    assert "3 cases" in last["stage"]


def test_a_film_without_a_report_has_its_labels_for_a_ground_truth_and_no_judge(with_films, store):
    work(with_films, "make", fields={**ASKED_WITH_FILMS, "films": LABELLED})
    made = next(one for one in store.reviews() if one.id != "r1")
    (case,) = store.cases(made.id)[1:]  # of the two films here, the one of the test split
    assert case.truth == "No report. The source labels this film: Hernia."
    assert not case.reported
    ask(with_films, "rules", review=made.id)
    assert store.judgements(made.id) == ()


def test_a_reviewer_is_shown_the_film_through_the_door_and_nothing_that_names_it(with_films, store, tmp_path):
    work(with_films, "make", fields={**ASKED_WITH_FILMS, "films": REPORTED})
    made = next(one for one in store.reviews() if one.id != "r1")
    door = ReviewPage(tmp_path, None)
    seat = case_of(ask(door, "sit", review=made.id, reviewer="AB"))["seat"]
    screen = ask(door, "go", seat=seat, number=1)
    shown = ask(door, "film", seat=seat, number=1)
    assert f'data-digest="{shown["digest"]}"' in screen["stage"]
    assert "data:image/png;base64," in shown["film"]
    assert "<kbd>" not in shown["film"]  # keys rank here
    assert not any(word in json.dumps([screen, shown]) for word in (REPORTED, "pocket", str(FIRST)[:-1]))
    assert ask(door, "film", seat=seat, number=0)["refused"]


def test_the_films_of_a_review_are_deleted_with_it(with_films, store):
    work(with_films, "make", fields={**ASKED_WITH_FILMS, "films": REPORTED})
    made = next(one for one in store.reviews() if one.id != "r1")
    digest = store.case(made.id, 1).film
    assert store.film(made.id, digest)
    store.delete(made.id)
    with pytest.raises(BadReview):
        store.film(made.id, digest)


@pytest.mark.parametrize("wrong", [{"films": "unheard-of"}, {"films": "openi"}, {"count": "61"}, {"encoder": ["bm25"]}])
def test_films_that_cannot_be_asked_with_make_no_review(with_films, store, wrong):
    _, last = work(with_films, "make", fields={**ASKED_WITH_FILMS, "films": REPORTED, **wrong})
    assert 'role="alert"' in last["told"]
    assert len(store.reviews()) == 1


def test_films_are_offered_where_a_prepared_corpus_lies_on_this_machine(whole, tmp_path):
    assert 'value="film"' not in ask(whole, "open")["stage"]
    prepare_films(Settings(cache=tmp_path / "cache", data=tmp_path), tmp_path, studies=1)
    assert 'value="film"' in ask(whole, "open")["stage"]


def _models(case):
    return [model for candidate in case.candidates for model in candidate.models]


def test_a_bad_line_of_an_import_makes_no_review(whole, store):
    _, last = work(whole, "make", fields=FIELDS, generated=handed_over(whole, '{"study_id": 1}'))
    assert "Nothing was imported" in last["told"]
    assert len(store.reviews()) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"count": "0"}, {"count": "x"}, {"seed": ""}, {"asked": "?"}, {"encoder": ["pocket"]}, {"finding": "Edema"}],
)
def test_fields_that_do_not_fit_make_no_review(whole, store, wrong):
    _, last = work(whole, "make", fields={**FIELDS, **wrong})
    assert 'role="alert"' in last["told"]
    assert len(store.reviews()) == 1


def test_queries_brought_from_compare_are_their_own_ground_truth(whole, store):
    shown = ask(whole, "queries", queries=["small effusion", "sm R PTX"], rankers=["base", "minilm"], k=10)
    assert "2 queries" in shown["stage"]
    start = shown["stage"].index('data-brought="') + len('data-brought="')
    held = shown["stage"][start : start + 32]
    fields = {"seed": "1", "first": "1", "encoder": ["base", "minilm"]}
    work(whole, "make", fields=fields, brought=held)
    made = next(one for one in store.reviews() if one.id != "r1")
    assert [case.truth for case in store.cases(made.id)[1:]] == ["small effusion", "sm R PTX"]
    assert store.cases(made.id)[1].study == ""


def test_a_model_on_another_machine_is_asked_only_after_a_confirmation(whole, store):
    fields = {"url": "https://example.org/v1", "model": "m", "key": ""}
    _, last = work(whole, "ask", review="r1", fields=fields)
    assert "another machine" in last["told"]
    assert store.judgements("r1") == ()


def test_where_other_machines_reach_the_app_no_reader_makes_it_ask_an_address(store, tmp_path):
    """Else a reader far away could have it call services that only this machine, or its network, reaches."""
    settings = Settings(cache=tmp_path / "cache", data=tmp_path, shared=True)
    page = ReviewPage(tmp_path, Maker(ReviewedExplorer(settings=settings), tmp_path))  # type: ignore[arg-type]
    with running(lambda number, body: (200, saying("{}"))) as model:
        for confirmed in (False, True):
            fields = {"url": model.url, "model": "m", "key": "", "confirmed": confirmed}
            _, last = work(page, "ask", review="r1", fields=fields)
            assert "reached from other machines" in last["told"]
        assert model.asked == []
    assert 'data-form="ask"' not in ask(page, "results", review="r1")["stage"]
    assert "Ask the rule judge" in ask(page, "results", review="r1")["stage"]


def test_the_error_lab_shows_errors_of_a_study_then_margins_then_the_strip(whole):
    first = ask(whole, "lab")["stage"]
    assert "<del>" in first or "<mark>" in first
    assert "does not apply" in first
    assert "Not measured yet" in first
    texts = {"findings": "Small left effusion.", "impression": "Small left pleural effusion."}
    asked = {**texts, "encoder": ["pocket", "minilm"], "studies": "50"}
    steps, last = work(whole, "lab", fields={**asked, "how": "margins"})
    assert any("Asking minilm" in line for step in steps for line in [step["told"]])
    assert last["stage"].count('class="margin') >= 6
    _, last = work(whole, "lab", fields={**asked, "encoder": ["bm25"], "how": "margins"})
    assert "bm25<small>BM25</small>" in last["stage"]
    assert last["stage"].count('class="margin') >= 6
    _, last = work(whole, "lab", fields={**asked, "how": "strip"})
    assert "over 12 studies of Made-up reports" in last["stage"]
    assert ask(whole, "lab")["stage"].count('class="share') == last["stage"].count('class="share') > 0


@pytest.mark.parametrize(
    "wrong", [{"findings": ""}, {"impression": "x" * 4_001}, {"encoder": []}, {"studies": "9", "how": "strip"}]
)
def test_the_error_lab_refuses_what_it_cannot_ask(whole, wrong):
    asked = {
        "findings": "Effusion.",
        "impression": "Effusion.",
        "encoder": ["pocket"],
        "studies": "50",
        "how": "margins",
    }
    _, last = work(whole, "lab", fields={**asked, **wrong})
    assert 'role="alert"' in last["told"]


def test_no_text_in_the_error_lab_becomes_markup(whole):
    shown = ask(whole, "inject", findings=XSS, impression=f"Small left effusion {XSS}.", encoder=["pocket"])
    assert "<img" not in shown["stage"]
    assert "&lt;img" in shown["stage"]


def test_a_model_on_this_machine_judges_without_further_consent_and_its_answers_can_be_deleted(whole, store):
    ranking = json.dumps({"ranking": [{"report": n, "rank": n, "why": ""} for n in (1, 2, 3)]})
    with running(lambda number, body: (200, saying(ranking))) as model:
        _, last = work(whole, "ask", review="r1", fields={"url": model.url, "model": "m", "key": "secret"})
    assert "LLM judge m" in last["stage"]
    assert [one.ranks for one in store.judgements("r1")][1] == {"gamma": 1, "alpha": 2, "beta": 3}
    assert "asked about 3 cases, 0 answers asked for again" in [one.what for one in store.events("r1")]
    assert "secret" not in last["stage"]
    assert "3 now" in last["stage"]
    assert "0 now" in ask(whole, "forget-answers", review="r1")["stage"]


def test_a_name_that_nothing_is_held_under_makes_no_review(whole, store):
    for given in ({"generated": "0" * 32}, {"brought": "0" * 32}):
        _, last = work(whole, "make", fields=FIELDS, **given)
        assert "Hand it over again" in last["told"]
    assert "Hand it over" not in ask(whole, "piece", name="", start=0, text="x").get("told", "")
    assert "too slowly" in ask(whole, "piece", name="0" * 32, start=0, text="x")["told"]


def test_what_is_handed_over_has_a_limit(whole, monkeypatch):
    monkeypatch.setattr(held, "MOST_BYTES", 10)
    name = ask(whole, "piece", name="", start=0, text="123456")["held"]
    assert "MB" in ask(whole, "piece", name=name, start=6, text="789012")["told"]
