"""The Compare page: one query through several rankers side by side, and a set of queries by their disagreement."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from explorer.choices import WORDS
from explorer.compare import RANKERS, Comparison, check_rankers, compared
from explorer.errors import BadQuery, CxrError
from explorer.query_sets import read_queries, task_notes
from explorer.types import SCOPES, Scope
from explorer.ui import compare_html, render
from explorer.ui.announce import at_once, stoppable
from explorer.ui.compare_html import Forms, Judged
from explorer.ui.corpora import choice_of_corpus
from explorer.ui.theme import PLAIN, QUIET
from explorer.ui.work import Progress, watch

if TYPE_CHECKING:
    from explorer.search import Explorer

HOW_MANY = (5, 10, 25)
SESSION_SECONDS = 3_600  # what was asked is forgotten after this, if the page is not closed before
ENGINE = {"concurrency_limit": 1, "concurrency_id": "engine"}
REDRAWN = 10  # queries of a set after which its table is drawn anew
PLACEHOLDER = "sm R PTX s/p CT to WS"
SET_PLACEHOLDER = "RLL PNA vs atx, no eff\nCM w/ mild pulm edema, b/l eff L>R"
FAILED = "The comparison did not finish: the server is busy, or something failed inside it. Try again in a moment."
SET_CHOSEN = """
element.addEventListener('click', (event) => {
  const row = event.target.closest('[data-row]');
  if (row) trigger('select', { row: Number(row.dataset.row) });
});
"""

Update = dict[Any, Any]  # part of the page → its new value
Updates = Iterator[Update]


@dataclass(frozen=True)
class Wanted:
    """How a query is to be compared."""

    rankers: tuple[str, ...]
    scope: Scope
    k: int
    corpus: str | None = None  # None: the one that is searched where none is named

    @classmethod
    def read(cls, rankers: Sequence[str], scope: object, k: object, corpus: str | None) -> Wanted:
        """Read the options as a browser sends them. Raises BadQuery for what the page does not offer."""
        check_rankers(rankers)
        scopes = [name for name in SCOPES if name == scope]
        if not scopes or k not in HOW_MANY:
            raise BadQuery("The page offers no such option. Reload it and choose again.")
        return cls(tuple(rankers), scopes[0], int(str(k)), corpus)


class ComparePage:
    """Lays the page out in the Blocks being built, and answers its events from an `Explorer`.

    The table of a set holds a button that brings it to Review: in the browser, as the event "cxr:review-set" with
    queries, rankers and k.
    """

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.judged = gr.State((), time_to_live=SESSION_SECONDS)  # the queries of the table, in its order
        with gr.Column(elem_id="compare", elem_classes="desk"):
            self._lay_out_question()
            self.status = gr.HTML("", elem_id="compare-status", **PLAIN)
            self.answer = gr.HTML(compare_html.welcome(), elem_id="compare-answer", **PLAIN)
            self._lay_out_set()

    def _lay_out_question(self) -> None:
        with gr.Row(elem_classes="ask"):
            self.query = gr.Textbox(
                elem_id="compare-query",
                label="Query for all rankers: a chest X-ray note or report",
                show_label=False,
                container=False,
                placeholder=PLACEHOLDER,
                lines=1,
                max_lines=6,
                max_length=self.explorer.settings.limits.query_characters,
                html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocomplete="off"),
            )
            self.ask_button = gr.Button("Compare", variant="primary", elem_id="compare-ask", scale=0)
            self.stop = gr.Button("Stop", elem_id="compare-stop", elem_classes="stop", scale=0)
        with gr.Row(elem_classes="choices"):
            names = [choice.name for choice in self.explorer.choices() if "text" in choice.kinds]
            label = f"Rankers, {RANKERS.start} to {RANKERS.stop - 1}"
            self.rankers = gr.CheckboxGroup(names, value=self._first_rankers(), label=label, elem_id="compare-rankers")
            self.scope = gr.Radio(list(SCOPES), value=SCOPES[0], label="Section searched", elem_id="compare-scope")
            self.k = gr.Radio(list(HOW_MANY), value=10, label="Hits", elem_id="compare-k")
            self.corpus = choice_of_corpus(self.explorer, "compare-corpus")

    def _lay_out_set(self) -> None:
        with gr.Column(elem_id="compare-set"):
            gr.HTML("<h2>A set of queries</h2><p>Asked of the same rankers, sorted by their disagreement.</p>", **PLAIN)
            self.pasted = gr.Textbox(
                elem_id="compare-pasted",
                label="Queries, one a line",
                placeholder=SET_PLACEHOLDER,
                lines=3,
                max_lines=8,
                html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocomplete="off"),
            )
            with gr.Row(elem_classes="acts"):
                self.run_set = gr.Button("Run the set", elem_id="compare-run", scale=0)
                self.stop_set = gr.Button("Stop", elem_id="compare-stop-set", elem_classes="stop", scale=0)
                self.notes = gr.Button("Put in the notes of Task 4", elem_id="compare-notes", scale=0)
            self.set_status = gr.HTML("", elem_id="compare-set-status", **PLAIN)
            self.table = gr.HTML("", elem_id="compare-table", js_on_load=SET_CHOSEN, **PLAIN)

    def _first_rankers(self) -> list[str]:
        """The default encoder, the first baseline with a model, and words alone, as far as they are there."""
        choices = [choice for choice in self.explorer.choices() if "text" in choice.kinds]
        dense = [choice for choice in choices if choice.name != WORDS]
        baseline = [choice.name for choice in dense[1:] if choice.note == "baseline"]
        words = [choice.name for choice in choices if choice.name == WORDS]
        return [*(choice.name for choice in dense[:1]), *baseline[:1], *words]

    def wire(self) -> None:
        """Connect the events to their answers. All wait in one line with those of Search: there is one engine."""
        options = [self.rankers, self.scope, self.k, self.corpus]
        shown = [self.status, self.answer, self.query]
        asked = [self.query.submit, self.ask_button.click]
        on = partial(gr.on, trigger_mode="always_last", **QUIET, **ENGINE)
        at_once(partial(gr.on, [*asked, self.table.select]), {self.status: render.busy("Comparing")})
        at_once(self.run_set.click, {self.set_status: render.busy("Reading the set")})
        one = [
            on(asked, self.ask, [self.query, *options], shown),
            on([self.table.select], self.open_row, [self.judged, *options], shown),
        ]
        table = [self.set_status, self.table, self.judged]
        many = on([self.run_set.click], self.ask_set, [self.pasted, *options], table)
        self.notes.click(self.put_in_notes, None, [self.pasted, self.set_status], **QUIET)
        stoppable(one, self.stop, self.status, FAILED)
        stoppable([many], self.stop_set, self.set_status, FAILED)

    def ask(self, text: str | None, rankers: Sequence[str], scope: object, k: object, corpus: str | None) -> Updates:
        """Answer a query with every ranker, as typed and spelled out; None is that of a box nobody has typed into."""
        begun = time.perf_counter()
        try:
            wanted = Wanted.read(rankers, scope, k, corpus)
            forms = yield from watch(partial(self._forms, text or "", wanted), partial(_step, self.status))
        except CxrError as error:
            yield {self.status: render.alert(error), self.answer: ""}
            return
        yield {
            self.status: compare_html.summary(forms, time.perf_counter() - begun),
            self.answer: compare_html.answer(forms),
        }

    def open_row(
        self,
        event: gr.EventData,
        judged: tuple[str, ...],
        rankers: Sequence[str],
        scope: object,
        k: object,
        corpus: str | None,
    ) -> Updates:
        """Answer the query of a row of the set."""
        row = getattr(event, "_data", None)
        number = row.get("row") if isinstance(row, dict) else None
        if not isinstance(number, int) or not 0 <= number < len(judged):
            yield {self.status: render.alert("The table has no such row any more. Run the set again.")}
            return
        yield {self.query: judged[number]}
        yield from self.ask(judged[number], rankers, scope, k, corpus)

    def put_in_notes(self) -> Update:
        """Fill the box of the set with the abbreviated notes of Task 4."""
        try:
            return {self.pasted: "\n".join(task_notes()), self.set_status: ""}
        except CxrError as error:
            return {self.set_status: render.alert(error)}

    def ask_set(
        self, pasted: str | None, rankers: Sequence[str], scope: object, k: object, corpus: str | None
    ) -> Updates:
        """Ask every query of a set, and show those first on which the rankers disagree most."""
        done: list[Judged] = []
        drawn = 0
        try:
            wanted, queries = Wanted.read(rankers, scope, k, corpus), read_queries(pasted or "")
            work = partial(self._each, queries, wanted, done)
            with closing(watch(work, partial(_step, self.set_status))) as steps:
                for update in steps:
                    if len(done) >= drawn + REDRAWN:
                        drawn = len(done)
                        update |= self._table(done, len(queries), wanted)
                    yield update
        except CxrError as error:
            yield {self.set_status: render.alert(error)}
            return
        yield {self.set_status: "", **self._table(done, len(queries), wanted)}

    def _forms(self, text: str, wanted: Wanted, progress: Progress) -> Forms:
        long = self.explorer.expand(text).expanded
        texts = [text] if long == text else [text, long]
        found = []
        for number, form in enumerate(texts):

            def tell(what: str, share: float, number: int = number) -> None:
                progress(what, (number + share) / len(texts))

            found.append(self._compared(form, wanted, tell))
        described = tuple(self.explorer.describe(ranker) for ranker in wanted.rankers)
        if len(found) == 1:
            return Forms(found[0], None, (), described)
        pairs = zip(found[0].results, found[1].results, strict=True)
        return Forms(found[0], found[1], tuple(compared(pair).moved for pair in pairs), described)

    def _compared(self, text: str, wanted: Wanted, progress: Progress) -> Comparison:
        return self.explorer.compare(
            text,
            encoders=wanted.rankers,
            corpus=wanted.corpus,
            scope=wanted.scope,
            k=wanted.k,
            progress=progress,
        )

    def _each(self, queries: Sequence[str], wanted: Wanted, done: list[Judged], progress: Progress) -> None:
        """Append every query with its judgement to `done` as it is answered."""
        for number, query in enumerate(queries):

            def tell(what: str, share: float, number: int = number) -> None:
                progress(f"Query {number + 1} of {len(queries)}. {what}", (number + share) / len(queries))

            comparison = self._compared(query, wanted, tell)
            done.append(Judged(query, comparison.disagreement, comparison.accounts))

    def _table(self, done: Sequence[Judged], total: int, wanted: Wanted) -> Update:
        rows = sorted(done, key=lambda row: -row.disagreement)
        return {
            self.table: compare_html.judged(rows, wanted.rankers, wanted.k, total),
            self.judged: tuple(row.query for row in rows),
        }


def _step(status: gr.HTML, message: str, share: float) -> Update:
    return {status: render.busy(message, share)}
