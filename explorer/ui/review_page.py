"""The Review page. The browser sends what a person did as one small message, and gets a screen or a word back.

Messages about an answer are saved before they are answered, and the answer says which message it is to: the script of
the page sends one again until then, and one that was taken before changes nothing. Nothing sent back names a model
until the reviewer's answers are closed, or a person who runs the review asks for its results.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.errors import BadReview, CxrError, StoreError
from explorer.review.practice import expected_ranks
from explorer.review.records import PRACTICE, read_answer
from explorer.review.store import ReviewStore, Seat
from explorer.review.summary import as_record, blinding_key, csv_text, ratings, summarise, table_c9
from explorer.ui import render, review_html, review_tables
from explorer.ui.announce import STOPPED, ended
from explorer.ui.film_html import from_kept
from explorer.ui.lab import LabDesk
from explorer.ui.review_making import Maker
from explorer.ui.theme import PLAIN, QUIET

MAILED = """
watch('value', () => {{
    const words = element.textContent; // Gradio writes a clock into it while it waits
    const detail = words.slice(words.indexOf('{{'), words.lastIndexOf('}}') + 1);
    window.dispatchEvent(new CustomEvent('{event}', {{detail}}));
}});
"""
WORK_ENDED = """() => {{
    const mail = document.createElement('i');
    mail.textContent = JSON.stringify({{told: ({words})(), done: true, number: Date.now()}});
    return mail.innerHTML;
}}"""
SENDING = """
window.addEventListener('cxr:review', ({detail}) => trigger('submit', detail));
window.addEventListener('cxr:review-work', ({detail}) => { element.dataset.stopped = ''; trigger('select', detail); });
window.addEventListener('cxr:review-stop', () => { element.dataset.stopped = 'yes'; trigger('clear'); });
window.dispatchEvent(new Event('cxr:review-ready'));
"""
BUSY = "The review could not be reached: the server is busy, or something failed inside it. Nothing saved is lost."
AT_ONCE = 4  # messages answered at the same time

Message = Mapping[str, Any]
Reply = dict[str, Any]  # "stage": the screen, "told": the line above it, both HTML; and words for the script


class ReviewPage:
    """Lays the page out in the Blocks being built. Without a `maker` it is the reviewers' door: nothing but cases."""

    def __init__(self, folder: Path, maker: Maker | None) -> None:
        self._folder = folder
        self._maker = maker
        self._opening = threading.Lock()
        self._opened: ReviewStore | None = None
        self._replies = 0
        with gr.Column(elem_id="review"):
            gr.HTML(review_html.told(), elem_id="review-told", **PLAIN)
            gr.HTML(review_html.stage(), elem_id="review-stage", **PLAIN)
            self.mail = gr.HTML("", elem_id="review-reply", js_on_load=MAILED.format(event="cxr:reply"), **PLAIN)
            self.worked = gr.HTML("", elem_id="review-worked", js_on_load=MAILED.format(event="cxr:worked"), **PLAIN)
            self.bridge = gr.HTML("<span></span>", elem_id="review-bridge", js_on_load=SENDING, **PLAIN)

    def wire(self) -> None:
        """Connect the messages to their answers. Small ones never wait behind long work."""
        answered = self.bridge.submit(
            self.post, outputs=self.mail, trigger_mode="multiple", concurrency_limit=AT_ONCE, **QUIET
        )
        answered.failure(lambda: self._mailed({"told": render.alert(BUSY)}), outputs=self.mail, **QUIET)
        if self._maker is not None:
            worked = self.bridge.select(
                self.work, outputs=self.worked, trigger_mode="once", concurrency_limit=1, **QUIET
            )
            failed = WORK_ENDED.format(words=ended("review-bridge", BUSY))
            worked.failure(None, outputs=[self.worked], js=failed, **QUIET)
            self.bridge.clear(self.stopped, outputs=self.worked, cancels=[worked], **QUIET)

    def post(self, event: gr.EventData) -> str:
        """Answer one message for the script of the page; what could not be saved now is not confirmed."""
        message = event._data if isinstance(event._data, dict) else {}
        try:
            reply = self.answer(message)
        except StoreError as error:
            return self._mailed({"told": render.alert(error)})
        return self._mailed({"ack": message.get("seq"), **reply})

    def answer(self, message: Message) -> Reply:
        """Answer one message. What cannot be done is said on the page; what was saved stays saved.

        Raises StoreError if the reviews cannot be read or written.
        """
        acts: Mapping[str, Callable[[Message], Reply]] = {
            "open": self._open,
            "sit": self._sit,
            "go": self._go,
            "save": self._save,
            "turn": self._turn,
            "undo": self._undo,
            "reveal": self._reveal,
            "film": self._film,
            "finish": self._finish,
            **({} if self._maker is None else {**self._running(), **self._in_lab(self._maker.lab)}),
            "export": self._export,
        }
        act = acts.get(str(message.get("act")))
        try:
            return act(message) if act else {"refused": True}
        except StoreError:
            raise
        except CxrError as error:
            return {"told": render.alert(error), "refused": True}

    def work(self, event: gr.EventData) -> Iterator[str]:
        """Do long work, say how far it is, and show what comes of it."""
        message = event._data if isinstance(event._data, dict) else {}
        assert self._maker is not None  # noqa: S101 - wired only then
        try:
            done = yield from self._maker.work(self._store, message, lambda line: self._mailed({"told": line}))
        except CxrError as error:
            yield self._mailed({"told": render.alert(error), "done": True})
            return
        screen = done.screen or (self._shown(done.review) if done.review else self._list())
        yield self._mailed({"stage": screen, "told": render.told(done.said), "done": True})

    def stopped(self) -> str:
        """Say that long work was stopped."""
        return self._mailed({"told": render.told(STOPPED), "done": True})

    @property
    def _store(self) -> ReviewStore:
        """The reviews, opened when first asked for."""
        with self._opening:
            if self._opened is None:
                self._opened = ReviewStore.open(self._folder)
            return self._opened

    def _running(self) -> dict[str, Callable[[Message], Reply]]:
        """What only a person who runs a review can ask for."""
        return {
            "results": self._results,
            "forget": self._forget,
            "delete": self._delete,
            "rules": self._rules,
            "queries": self._queries,
            "piece": self._piece,
            "forget-answers": self._forget_answers,
        }

    def _in_lab(self, lab: LabDesk) -> dict[str, Callable[[Message], Reply]]:
        def shown(make: Callable[[Message], str], message: Message) -> Reply:
            return {"stage": make(message)}

        return {
            "lab": partial(shown, lab.open),
            "another": partial(shown, lab.another),
            "inject": partial(shown, lab.inject),
        }

    def _open(self, _: Message) -> Reply:
        return {"stage": self._list()}

    def _list(self, asked: Mapping[str, Any] = {}) -> str:
        store = self._store
        listed = []
        for review in store.reviews():
            given = store.answers(review.id)
            done = {name: sum(one.state != "open" for one in its.values()) for name, its in given.items()}
            listed.append(review_html.Listed(review, done))
        form = "" if self._maker is None else self._maker.form(asked)
        return review_html.listing(listed, form, door=self._maker is None)

    def _sit(self, message: Message) -> Reply:
        session = message.get("session")
        seat = self._store.sit(_text(message, "review"), _text(message, "reviewer"), session if session else "")
        if self._store.is_closed(seat.review, seat.reviewer):
            return self._finish({"seat": vars(seat)})
        number = self._first(seat) if message.get("number") is None else _number(message)
        return {"stage": self._screen(seat, number)}

    def _first(self, seat: Seat) -> int:
        """The case to begin with: the practice case for whoever has answered nothing, else the first open one."""
        begun = self._store.answers(seat.review).get(seat.reviewer, {})
        practised = self._store.answer(seat.review, PRACTICE, seat.reviewer).state != "open"
        return self._open_after(seat, 0) if begun or practised else PRACTICE

    def _open_after(self, seat: Seat, number: int) -> int:
        """The next open case after a number, round the end; one beyond the last where none is open."""
        still = self._progress(seat).open
        later = [one for one in still if one > number]
        return (later or [*still, self._store.review(seat.review).cases + 1])[0]

    def _progress(self, seat: Seat) -> review_html.Progress:
        given = self._store.answers(seat.review).get(seat.reviewer, {})
        states = {number: answer.state for number, answer in given.items()}
        numbers = range(1, self._store.review(seat.review).cases + 1)
        return review_html.Progress(
            sum(state == "submitted" for state in states.values()),
            sum(state == "skipped" for state in states.values()),
            tuple(number for number, answer in given.items() if answer.flagged),
            tuple(number for number in numbers if states.get(number, "open") == "open"),
        )

    def _screen(self, seat: Seat, number: int) -> str:
        review, progress = self._store.review(seat.review), self._progress(seat)
        if number > review.cases and not progress.open:
            return review_html.done(seat, review, progress)
        number = min(number, review.cases)
        answer = self._store.answer(seat.review, number, seat.reviewer)
        return review_html.case(seat, review, self._store.case(seat.review, number), answer, progress)

    def _go(self, message: Message) -> Reply:
        return {"stage": self._screen(_seat(message), _number(message))}

    def _film(self, message: Message) -> Reply:
        """Send the film of a case apart from its screen, which is drawn anew more often."""
        seat, number = _seat(message), _number(message)
        digest = self._store.case(seat.review, number).film
        return {"film": from_kept(self._store.film(seat.review, digest)), "digest": digest}

    def _save(self, message: Message) -> Reply:
        seat, number, seq = _seat(message), _number(message), _number(message, "seq")
        self._store.save(seat, number, seq, _text(message, "action"), self._held(seat, number, message))
        return {"told": "", "saved": seq}

    def _turn(self, message: Message) -> Reply:
        """Save the last word on a case, and show the next."""
        seat, number = _seat(message), _number(message)
        held = self._held(seat, number, message)
        answer = read_answer(held, self._store.case(seat.review, number))
        if answer.state == "submitted" and not answer.ranked:
            raise BadReview("Give every report a rank before you submit the case, or skip it.")
        if answer.state == "submitted":
            held = {**held, "levels": list(answer.ranks)}
        self._store.save(seat, number, _number(message, "seq"), _text(message, "action"), held)
        said = ""
        if number == PRACTICE and answer.state == "submitted":
            said = _practised(answer.ranks)
        return {"stage": self._screen(seat, self._open_after(seat, number)), "told": said}

    def _held(self, seat: Seat, number: int, message: Message) -> dict[str, Any]:
        """The answer of a message; whether the ground truth was shown is the server's to know."""
        raw = message.get("answer")
        if not isinstance(raw, dict):
            raise BadReview("This is no answer to the case. Reload the page.")
        kept = self._store.answer(seat.review, number, seat.reviewer)
        return {**raw, "revealed": kept.revealed, "first": list(kept.first)}

    def _undo(self, message: Message) -> Reply:
        seat, number = _seat(message), _number(message)
        self._store.undo(seat, number, _number(message, "seq"))
        return {"stage": self._screen(seat, number)}

    def _reveal(self, message: Message) -> Reply:
        seat, number = _seat(message), _number(message)
        held = self._held(seat, number, message)
        if not read_answer(held, self._store.case(seat.review, number)).ranked:
            raise BadReview("Rank all reports first: the ground truth is shown after a first answer.")
        if not held["revealed"]:
            held |= {"revealed": True, "first": held["levels"]}
        self._store.save(seat, number, _number(message, "seq"), "showed the ground truth", held)
        return {"stage": self._screen(seat, number)}

    def _finish(self, message: Message) -> Reply:
        seat = _seat(message)
        self._store.close_for(seat)
        return {"stage": self._shown(seat.review)}

    def _results(self, message: Message) -> Reply:
        review = _text(message, "review")
        self._store.note(review, "", "the results were opened")
        return {"stage": self._shown(review)}

    def _shown(self, review: str) -> str:
        judges = "" if self._maker is None else self._maker.judges(review)
        return review_tables.results(summarise(self._store, review), judges=judges, door=self._maker is None)

    def _forget(self, message: Message) -> Reply:
        review = _text(message, "review")
        self._store.forget(review, _text(message, "reviewer"))
        return {"stage": self._shown(review)}

    def _delete(self, message: Message) -> Reply:
        self._store.delete(_text(message, "review"))
        return self._open(message)

    def _rules(self, message: Message) -> Reply:
        from explorer.language.findings import FindingsReader
        from explorer.review.rule_judge import RuleJudge, judged

        review = _text(message, "review")
        self._store.judge(review, *judged(RuleJudge(FindingsReader.open()), self._store.cases(review)))
        return {"stage": self._shown(review)}

    def _forget_answers(self, message: Message) -> Reply:
        if self._maker is not None:
            self._maker.forget()
        return {"stage": self._shown(_text(message, "review"))}

    def _queries(self, message: Message) -> Reply:
        """Show the form for a review of queries brought from another page; they are held here until it is sent."""
        given, rankers, k = message.get("queries"), message.get("rankers"), message.get("k")
        lists = isinstance(given, list) and isinstance(rankers, list) and type(k) is int
        if self._maker is None or not lists or not all(isinstance(one, str) for one in given or ()):
            raise BadReview("The page sent something that cannot be read. Reload it.")
        held = self._maker.held.keep(given or ())
        asked = {"held": held, "count": len(given or ()), "rankers": rankers, "k": max(k or 1, 1)}
        return {"stage": self._list(asked)}

    def _piece(self, message: Message) -> Reply:
        """Take a piece of a file that is imported; the reply names what the next piece belongs to."""
        if self._maker is None:
            return {}
        name = self._maker.held.add(_text(message, "name"), _number(message, "start"), _text(message, "text"))
        return {"held": name}

    def _export(self, message: Message) -> Reply:
        """Send a file. Through the reviewers' door only to one whose answers are closed."""
        review, kind = _text(message, "review"), _text(message, "kind")
        seat = message.get("seat")
        if self._maker is None and not (seat and self._store.is_closed(review, _seat(message).reviewer)):
            raise BadReview("Finish the review first.")
        found = summarise(self._store, review)
        files: Mapping[str, tuple[str, Callable[[], str]]] = {
            "ratings": ("ratings.csv", lambda: csv_text(ratings(found))),
            "table": ("table.csv", lambda: csv_text(table_c9(found))),
            "key": ("blinding-key.csv", lambda: csv_text(blinding_key(found))),
            "print": ("summary.html", lambda: review_tables.printable(found)),
            "json": (
                "review.json",
                lambda: json.dumps(as_record(found, self._store.changes(review)), ensure_ascii=False, indent=1),
            ),
        }
        if kind not in files:
            raise BadReview("There is no such export.")
        name, write = files[kind]
        self._store.note(review, "", f"exported: {name}")
        return {"told": "", "file": name, "text": write()}

    def _mailed(self, reply: Reply) -> str:
        """Return a reply as the script reads it; no two are alike, or the browser would not notice the second."""
        self._replies += 1
        return render.escape(json.dumps({**reply, "number": self._replies}))


def _practised(ranks: tuple[int, ...]) -> str:
    meant = expected_ranks()
    places = ", ".join(f"Report {place}: rank {rank}" for place, rank in enumerate(meant, 1))
    same = "Your ranks are the ones meant." if ranks == meant else "The order of the four errors would give:"
    return render.told(f"{same} {places}. Now the cases that count.")


def _seat(message: Message) -> Seat:
    raw = message.get("seat")
    if not isinstance(raw, Mapping):
        raise BadReview("Give your name or initials again: this window has no reviewer.")
    return Seat(_text(raw, "review"), _text(raw, "reviewer"), str(raw.get("session", "")))


def _text(message: Message, name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise BadReview("The page sent something that cannot be read. Reload it.")
    return value


def _number(message: Message, name: str = "number") -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise BadReview("The page sent something that cannot be read. Reload it.")
    return value
