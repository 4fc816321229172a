"""The screens of a review before anything is told: the list, a case, the end. None of them names a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

from explorer.review.generated import MOST_BYTES
from explorer.review.records import ERROR_KINDS, LONGEST_COMMENT, LONGEST_NAME, PRACTICE, Answer, Case, Review, as_json
from explorer.review.selection import MOST_CASES
from explorer.review.statistics import cases_needed
from explorer.review.store import Seat
from explorer.types import SCOPES
from explorer.ui.render import SCOPE_WORDS, escape

KEYS = {"false prediction": "p", "omission": "o", "wrong location": "l", "wrong severity": "v"}
MEANING = {
    "false prediction": "states what the ground truth does not",
    "omission": "leaves out what the ground truth states",
    "wrong location": "the right finding in the wrong place",
    "wrong severity": "the right finding and place, the wrong degree",
}
FILM = "film"  # asked with, in the place of a part of a report
HALF_A_RANK = 0.5
MOST_HITS = 3  # of one encoder, for a query brought from elsewhere
KEPT = (
    "What reviewers enter is kept on this machine, in the data folder, until it is deleted here: names or initials, "
    "ranks, marks, comments, times. Cases keep the texts and films they show."
)


@dataclass(frozen=True)
class Listed:
    """A review in the list, with how far each reviewer is."""

    review: Review
    done: Mapping[str, int]  # reviewer → cases submitted or skipped


@dataclass(frozen=True)
class Progress:
    """Where a reviewer is."""

    submitted: int
    skipped: int
    flagged: tuple[int, ...]
    open: tuple[int, ...]


def told() -> str:
    """Return the place of the line above the screen, which the script of the page fills."""
    return '<div id="review-said"></div>'


def stage() -> str:
    """Return the place of the screen, with what stands there until it is first shown."""
    return '<div id="review-shown"><p class="status busy">Opening the reviews</p></div>'


def listing(listed: Sequence[Listed], form: str, *, door: bool) -> str:
    """Return the list of reviews; `form` makes a new one, "" where that is not possible."""
    rows = "".join(_listed(one, door=door) for one in listed)
    empty = "<p>There is no review yet.</p>" if not listed else ""
    lab = "" if door else '<button type="button" class="plain" data-do="lab">Error lab ›</button>'
    return (
        f'<div class="sheet"><section class="reviews"><div class="heading"><h2>Reviews</h2>{lab}</div>'
        '<p class="about">Reports from several models are '
        "ranked against the ground truth, without knowing which is whose.</p>"
        '<form data-form="sit"><label>Your name or initials <input name="reviewer" required autocomplete="off" '
        f'maxlength="{LONGEST_NAME}"></label></form>{empty}<ul class="list">{rows}</ul>'
        f'<p class="about">{KEPT}</p></section>{form}</div>'
    )


def _listed(one: Listed, *, door: bool) -> str:
    review = one.review
    who = " · ".join(f"{escape(name)} {count} of {review.cases}" for name, count in one.done.items()) or "nobody yet"
    key = f'data-review="{escape(review.id)}"'
    more = (
        ""
        if door
        else (
            f'<button type="button" class="plain" data-do="results" {key} title="shows which report is whose">Results'
            f'</button><button type="button" class="plain" data-do="delete" {key}>Delete</button>'
        )
    )
    mode = " · ground truth hidden at first" if review.unknown else ""
    return (
        f"<li><div><b>{escape(review.title)}</b><span>{review.cases} cases · {escape(review.created[:10])}{mode}</span>"
        f'<span>{who}</span></div><div class="does">{more}'
        f'<button type="button" class="go" data-do="sit" {key}>Review</button></div></li>'
    )


def new_review(
    corpora: Sequence[tuple[str, str]],
    films: Sequence[tuple[str, str]],
    encoders: Sequence[tuple[str, str, Set[str]]],
    findings: Sequence[str],
    asked: Mapping[str, Any],
) -> str:
    """Return the form that makes a review.

    films: corpora that may hold films; encoders: name, label, and what each reads; asked: of queries brought from
    elsewhere, {} for none.
    """
    brought = bool(asked)
    hint = f"half a rank between two of 6 models is told apart by {cases_needed(HALF_A_RANK, 6)} cases at most"
    source = _brought(asked) if brought else _source_fields(corpora, films, findings, hint)
    chosen = asked.get("rankers") or [name for name, _, _ in encoders[:3]]
    boxes = "".join(
        f'<label data-reads="{" ".join(sorted(kinds))}"><input type="checkbox" name="encoder" value="{escape(name)}"'
        f"{' checked' if name in chosen else ''}> {escape(label)}</label>"
        for name, label, kinds in encoders
    )
    return (
        f'<section class="new"><h2>New review</h2><form data-form="make">{source}'
        f'<fieldset class="models"><legend>Candidates: what each finds first</legend>{boxes}</fieldset>'
        '<label class="file">Generated reports, JSON lines of study_id, model, report '
        '<input type="file" name="generated" '
        f'data-most="{MOST_BYTES}" accept=".jsonl,.json,.txt"></label>'
        '<div class="row"><label>Title <input name="title" maxlength="80" autocomplete="off"></label>'
        '<label>Seed <input name="seed" inputmode="numeric" value="4096" maxlength="9"></label></div>'
        '<label class="tick"><input type="checkbox" name="unknown"> Hide the ground truth until a first answer</label>'
        '<div class="row"><button type="submit" class="go">Make the review</button>'
        '<button type="button" class="plain" data-do="stop" hidden>Stop</button></div></form></section>'
    )


def _brought(asked: Mapping[str, Any]) -> str:
    most = min(int(asked.get("k", 1)), MOST_HITS)
    hits = [(str(count), str(count)) for count in range(1, most + 1)]
    return (
        f'<p class="brought" data-brought="{escape(asked["held"])}"><b>{asked["count"]} '
        f"queries</b> from Compare; each is its own ground truth.</p>{_select('first', 'Hits of each encoder', hits)}"
    )


def _source_fields(
    corpora: Sequence[tuple[str, str]], films: Sequence[tuple[str, str]], findings: Sequence[str], hint: str
) -> str:
    scopes: list[tuple[str, str]] = [(scope, SCOPE_WORDS[scope]) for scope in SCOPES]
    scopes += [(FILM, "the film")] if films else []
    stated = [("", "any finding"), *((name, name) for name in findings)]
    corpus = _select("corpus", "Corpus", corpora) if len(corpora) > 1 else ""
    return (
        f'<div class="row">{corpus}{_select("asked", "Asked with", scopes, "findings")}'
        f'<label>Cases <input name="count" inputmode="numeric" value="50" maxlength="3" '
        f'title="at most {MOST_CASES}"></label>'
        f'</div>{_film_fields(films)}<p class="hint">{escape(hint)}</p>'
        '<label class="tick"><input type="checkbox" name="halve" checked> Leave out half of the normal studies, as the '
        "paper does</label>"
        f'<div class="row">{_select("finding", "Only with", stated)}'
        f"{_select('view', 'View', [('', 'any'), ('PA', 'PA'), ('AP', 'AP'), ('LATERAL', 'lateral')])}"
        '<label>Age from <input name="youngest" inputmode="numeric" maxlength="3" placeholder="any"></label>'
        '<label>to <input name="oldest" inputmode="numeric" maxlength="3" placeholder="any"></label></div>'
    )


def _film_fields(films: Sequence[tuple[str, str]]) -> str:
    """What is asked for where a film is the query; shown only then."""
    if not films:
        return ""
    hits = [(str(count), str(count)) for count in range(1, MOST_HITS + 1)]
    fields = _select("films", "Films of", films) + _select("first", "Hits of each encoder", hits, str(MOST_HITS))
    return f'<div class="row of-films">{fields}</div>'


def _select(name: str, label: str, options: Iterable[tuple[str, str]], value: str = "") -> str:
    made = "".join(
        f'<option value="{escape(one)}"{" selected" if one == value else ""}>{escape(words)}</option>'
        for one, words in options
    )
    return f'<label>{escape(label)} <select name="{escape(name)}" autocomplete="off">{made}</select></label>'


def case(seat: Seat, review: Review, one: Case, answer: Answer, progress: Progress) -> str:
    """Return a case: its texts in the order shown, and nothing of where they are from."""
    hidden = review.unknown and not answer.revealed and one.number != PRACTICE
    told = {
        "seat": asdict(seat),
        "number": one.number,
        "truth": "" if hidden else one.truth,
        "texts": [candidate.text for candidate in one.candidates],
        "answer": as_json(answer),
        "kinds": list(ERROR_KINDS),
        "first": 1,
        "last": review.cases,
    }
    truth = (
        '<p class="hidden">Hidden until you have ranked all reports.</p>'
        '<button type="button" class="plain" data-do="reveal">Show the ground truth</button>'
        if hidden
        else '<p class="text" data-truth></p>'
        if one.truth
        else '<p class="hidden">Nothing is known of this film but the film.</p>'
    )
    cards = "".join(_card(place, len(one.candidates)) for place in range(1, len(one.candidates) + 1))
    return (
        f'<div class="case" data-case="{escape(json.dumps(told))}">{_top(review, one, progress)}'
        f'<section class="truth">{_film(one)}<h3>Ground truth</h3>{truth}{_asked(one)}'
        f'<label class="comment"><h3>Comment</h3><textarea maxlength="{LONGEST_COMMENT}" rows="3">'
        "</textarea></label></section>"
        f'<section class="cards" aria-label="Reports to rank">{_rail(len(one.candidates))}{cards}</section>'
        f'<section class="foot">{_acts()}</section></div>'
    )


def _film(one: Case) -> str:
    """The place of the film a case was asked with; the script of the page asks for it, and keeps it on a redrawing."""
    return f'<div id="review-film" data-digest="{escape(one.film)}"></div>' if one.film else ""


def _asked(one: Case) -> str:
    shown = one.query not in ("", one.truth)
    return f"<h3>Asked with</h3><p>{escape(one.query)}</p>" if shown else ""


def _top(review: Review, one: Case, progress: Progress) -> str:
    done = progress.submitted + progress.skipped
    name = "Practice, counts for nothing" if one.number == PRACTICE else f"Case {one.number} of {review.cases}"
    flags = f" · {len(progress.flagged)} flagged" if progress.flagged else ""
    return (
        f'<progress class="line" max="{review.cases}" value="{done}" aria-label="cases done"></progress>'
        f'<div class="top"><button type="button" class="plain" data-do="previous" title="previous case" '
        f'aria-label="Previous case">‹</button><b>{name}</b><button type="button" class="plain" data-do="next" '
        'title="next case" aria-label="Next case">›</button>'
        f"<span>{progress.submitted} submitted · {progress.skipped} skipped{flags}</span>"
        '<span class="state"></span><span class="saved" role="status"></span>'
        '<button type="button" class="plain" data-do="leave">All reviews</button></div>'
    )


def _rail(count: int) -> str:
    slots = "".join(f'<li data-slot="{rank}"><b>{rank}</b><span></span></li>' for rank in range(1, count + 1))
    return f'<ol class="rail" aria-hidden="true" title="drag a report here; two in one place are a tie">{slots}</ol>'


def _card(place: int, count: int) -> str:
    ranks = "".join(
        f'<button type="button" data-rank="{rank}" aria-pressed="false" aria-label="Report {place}: rank {rank}">{rank}'
        "</button>"
        for rank in range(1, count + 1)
    )
    kinds = "".join(
        f'<button type="button" data-kind="{kind}" aria-pressed="false" title="{MEANING[kind]} ({KEYS[kind]})">{kind}'
        "</button>"
        for kind in ERROR_KINDS
    )
    return (
        f'<article class="card" tabindex="0" data-place="{place - 1}" aria-label="Report {place}">'
        f'<header draggable="true"><b>Report {place}</b><div class="ranks" role="group" aria-label="Rank">{ranks}</div>'
        f'</header><p class="text"></p><div class="kinds" role="group" aria-label="Errors">{kinds}</div>'
        '<ul class="marks" aria-label="marked errors"></ul></article>'
    )


def _acts() -> str:
    return (
        '<p class="keys"><kbd>j</kbd> <kbd>k</kbd> choose a report · <kbd>1</kbd>–<kbd>9</kbd> rank it · '
        "<kbd>w</kbd> select a sentence of it, <kbd>t</kbd> of the truth · "
        "<kbd>p</kbd> <kbd>o</kbd> <kbd>l</kbd> <kbd>v</kbd> error, of the text selected · <kbd>c</kbd> critical · "
        "<kbd>u</kbd> undo · <kbd>s</kbd> skip · <kbd>f</kbd> discuss · <kbd>Enter</kbd> submit</p>"
        '<div class="does"><button type="button" class="plain" data-do="undo">Undo</button>'
        '<button type="button" class="plain" data-do="flag" aria-pressed="false">Discuss</button>'
        '<button type="button" class="plain" data-do="skip">Skip</button>'
        '<button type="button" class="go" data-do="submit">Submit</button></div>'
    )


def done(seat: Seat, review: Review, progress: Progress) -> str:
    """Return the end of a review: nothing is open, and nothing is told yet."""
    told = {"seat": asdict(seat), "number": review.cases + 1, "last": review.cases}
    flags = ", ".join(map(str, progress.flagged))
    discuss = f"<p>To be discussed: case {flags}.</p>" if flags else ""
    return (
        f'<div class="sheet end" data-end="{escape(json.dumps(told))}"><section><h2>{escape(review.title)}: all '
        f"{review.cases} cases done</h2><p>{progress.submitted} submitted, {progress.skipped} skipped.</p>{discuss}"
        "<p>You can go back and change any of them. Once you are told which report is whose, your answers are closed."
        "</p>"
        '<div class="does"><button type="button" class="plain" data-do="previous">‹ Back to the cases</button>'
        '<button type="button" class="plain" data-do="leave">All reviews</button>'
        '<button type="button" class="go" data-do="finish">Close my answers and show whose is whose</button></div>'
        "</section></div>"
    )
