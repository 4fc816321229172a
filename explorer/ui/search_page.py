"""The Search page: a note or a film in, reports out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from explorer.errors import CxrError
from explorer.types import Query, QueryImage, SearchResult
from explorer.ui import film, film_html, hits_html, render, upload, visit_html, visits
from explorer.ui.announce import at_once
from explorer.ui.evidence import EvidencePanel
from explorer.ui.options import Chosen, Wanted, restored
from explorer.ui.options_panel import OptionsPanel
from explorer.ui.theme import PLAIN, QUIET
from explorer.ui.visits import Visit, Visits
from explorer.ui.work import Progress, watch

if TYPE_CHECKING:
    from explorer.search import Explorer

PLACEHOLDER = "sm R PTX s/p CT to WS, BLLF retic opac"
EXAMPLES = (
    "sm R PTX s/p CT to WS",
    "BLLF retic opac, low lung vol",
    "CM w/ mild pulm edema, b/l eff L>R",
    "RLL PNA vs atx, no eff",
    "no acute cp process",
)
SESSION_SECONDS = 3_600  # a film asked for is forgotten after this, if the page is not closed before
FAILED = "The search did not finish: the server is busy, or something failed inside it. Try again in a moment."
STOPPED = "Stopped. Nothing was lost; ask again when you like."
FILM_SHOWN = "watch('value', () => window.dispatchEvent(new Event('cxr:film')))"
RESULTS_SHOWN = "watch('value', () => window.dispatchEvent(new Event('cxr:results')))"
# What a person does with a hit travels through this element: its script turns `cxr:do` into an event of Gradio's.
DOING = "window.addEventListener('cxr:do', ({ detail }) => trigger('select', detail))"
STOPS = f"() => {{ document.body.dataset.stopped = Date.now(); return {json.dumps(render.notice(STOPPED))}; }}"
# A stopped event fails, and more than once: what fails within five seconds of a stop was stopped.
ENDED = f"""(results) => Date.now() - (document.body.dataset.stopped ?? 0) < 5_000
    ? [{json.dumps(render.notice(STOPPED))}, results, ""] : [{json.dumps(render.alert(FAILED))}, "", ""]"""
ENGINE = {"concurrency_limit": 16, "concurrency_id": "engine"}  # queries that come together share a run of the tower

Update = dict[Any, Any]  # part of the page → its new value
Updates = Iterator[Update]


class SearchPage:
    """Lays the page out in the Blocks being built, and answers its events from an `Explorer`."""

    def __init__(self, explorer: Explorer, footer: gr.HTML) -> None:
        self.explorer = explorer
        self.footer = footer  # of all pages; an answer names its encoder there
        self.asked = gr.State(None, time_to_live=SESSION_SECONDS)  # the last Query, asked again when options change
        self.held = gr.State(None, time_to_live=SESSION_SECONDS)  # the QueryImage on the screen
        self.visits = gr.State((), time_to_live=SESSION_SECONDS)  # what was asked before, for the way back
        with gr.Column(elem_id="page"):
            self._lay_out_question()
            self._lay_out_side()
            self._lay_out_answer()
            self.why = gr.HTML(visit_html.why_first(), elem_id="why", **PLAIN)
            self.doing = gr.HTML(visit_html.keys(), elem_id="doing", js_on_load=DOING, **PLAIN)

    def _lay_out_question(self) -> None:
        with gr.Column(elem_id="question"):
            with gr.Row(elem_id="ask"):
                self.query = gr.Textbox(
                    elem_id="query",
                    label="Query: a chest X-ray note or report",
                    show_label=False,
                    container=False,
                    placeholder=PLACEHOLDER,
                    lines=1,
                    max_lines=6,
                    max_length=self.explorer.settings.limits.query_characters,
                    autofocus=True,
                    html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocomplete="off"),
                )
                self.search = gr.Button("Search", variant="primary", elem_id="search", scale=0)
            self.reading = gr.HTML("", elem_id="reading", **PLAIN)
            with gr.Row(elem_id="examples"):
                self.examples = [gr.Button(text, size="sm") for text in EXAMPLES]
            self.visited = gr.HTML("", elem_id="visited", **PLAIN)

    def _lay_out_side(self) -> None:
        with gr.Column(elem_id="side"):
            self.intake = gr.HTML("", elem_id="intake", **PLAIN)
            self.film = gr.HTML("", elem_id="film", js_on_load=FILM_SHOWN, **PLAIN)
            with gr.Column(elem_id="film-acts", visible=False) as self.film_acts:
                with gr.Row(elem_id="film-buttons"):
                    self.by_film = gr.Button("search by this film", size="sm")
                    self.by_both = gr.Button("by film and text", size="sm", elem_id="by-both")
                    self.remove_film = gr.Button("remove", size="sm", elem_id="remove-film")
                self.weight = gr.Slider(0, 100, 50, step=5, label="film and text: % film", elem_id="weight", buttons=[])
            self.evidence = EvidencePanel(self.explorer)
            self.drop = gr.File(label="Film: DICOM, PNG or JPEG", elem_id="drop", show_label=False, height=72)
            self.example_film = gr.Button("or the example film, a CR chest", size="sm", elem_id="example-film")
            gr.HTML(render.options_switch(), elem_id="options-switch", **PLAIN)
            with gr.Column(elem_id="options"):
                self.options = OptionsPanel(self.explorer)

    def _lay_out_answer(self) -> None:
        with gr.Column(elem_id="answer"):
            with gr.Row(elem_id="status-line"):
                self.status = gr.HTML("", elem_id="status", **PLAIN)
                self.stop = gr.Button("Stop", size="sm", elem_id="stop")
            self.results = gr.HTML(visit_html.welcome(), elem_id="results", js_on_load=RESULTS_SHOWN, **PLAIN)

    def wire(self, blocks: gr.Blocks) -> None:
        """Connect the events to their answers. Those that need the engine share one line.

        An event names only what it can change: Gradio builds every other part that it names anew at each step.
        """
        options, visited = self.options.parts, self.visits
        self.evidence.wire(self.held, self.options.encoder, self.options.scope, self.options.corpus)
        film_parts = [self.film, self.film_acts, self.intake, self.drop, self.held]
        answer = [self.status, self.results, self.footer, self.asked, self.visits, self.visited, self.options.encoder]
        answered = partial(gr.on, outputs=answer, trigger_mode="always_last", **QUIET, **ENGINE)
        chosen = partial(answered, outputs=[*answer, self.query, *options[1:]])  # options[0] is the encoder
        exemplified = partial(answered, outputs=[*answer, self.query])
        filmed = partial(answered, outputs=[*answer, *film_parts])
        self.query.change(
            self.read_note,
            self.query,
            self.reading,
            trigger_mode="always_last",
            concurrency_limit=4,  # reading a note takes a millisecond: it never waits behind a search
            **QUIET,
        )
        buttons = (*self.examples, self.by_film, self.by_both)
        clicked = [button.click for button in buttons]
        typed, changed = [self.query.submit, self.search.click], [option.input for option in options]
        # What was connected first runs first in the browser: the announcement must come before its answer.
        reading = [self.drop.upload, self.example_film.click]
        at_once(partial(gr.on, [*typed, *clicked, *changed]), {self.status: render.busy("Searching")})
        at_once(self.doing.select, {self.status: render.busy("Searching")})
        at_once(partial(gr.on, reading), {self.intake: render.busy("Reading the film")})
        offered = [self.options.findings, self.options.without]
        events = [
            answered([blocks.load], self.introduce, outputs=[self.status, self.footer, *offered]),
            answered(typed, self.ask_text, [self.query, visited, *options]),
            *(exemplified([one.click], self.ask_example, [one, visited, *options]) for one in self.examples),
            filmed([self.drop.upload], self.ask_upload, [self.drop, visited, *options], preprocess=False),
            filmed([self.example_film.click], self.ask_example_film, [visited, *options]),
            answered([self.by_film.click], self.ask_film, [self.held, visited, *options]),
            answered([self.by_both.click], self.ask_both, [self.query, self.held, self.weight, visited, *options]),
            answered([self.weight.release], self.weigh, [self.asked, self.weight, visited, *options]),
            filmed([self.remove_film.click], self.forget_film, self.asked),
            answered(changed, self.ask_again, [self.asked, visited, *options]),
            chosen([self.doing.select], self.do, [self.asked, visited, *options]),
        ]
        if self.options.corpus is not None:
            answered([self.options.corpus.input], self.offer_findings, self.options.corpus, outputs=offered)
        self._wire_stop(events)

    def _wire_stop(self, events: list[Any]) -> None:
        """Gradio tells of a stopped event as of a failed one; the browser remembers which of them it was."""
        self.stop.click(None, outputs=self.status, js=STOPS, **QUIET)
        self.stop.click(None, cancels=events, **QUIET)
        for event in events:
            event.failure(None, self.results, [self.status, self.results, self.intake], js=ENDED, **QUIET)

    def introduce(self) -> Updates:
        """Name the encoder with its precision; a tower that cannot be used says so before anything is asked."""
        try:
            described = self.explorer.describe(self.explorer.settings.encoder)
        except CxrError as error:
            yield {self.status: render.alert(error)}
        else:
            yield {self.footer: render.footer(self.explorer.corpus, described)}
        yield self.options.offer(self.explorer.facets())

    def offer_findings(self, corpus: str) -> Updates:
        """Have the filters hold the findings of the corpus chosen."""
        yield self.options.offer(self.explorer.facets(corpus))

    def read_note(self, text: str | None) -> str:
        """Show the short forms of the query box and what they mean there; a text that cannot be read shows nothing."""
        try:
            return render.reading(self.explorer.expand(text or ""))
        except CxrError:
            return ""

    def ask_text(self, text: str, visited: Visits, *options: object) -> Updates:
        """Answer a typed query."""
        yield from self._ask(Query(text=text), visited, options)

    def ask_example(self, text: str, visited: Visits, *options: object) -> Updates:
        """Put an example in the query box and answer it."""
        yield {self.query: text}
        yield from self.ask_text(text, visited, *options)

    def ask_upload(self, record: Mapping[str, object] | None, visited: Visits, *options: object) -> Updates:
        """Answer a dropped file."""
        yield from self._read_and_ask(upload.take(record), visited, options)

    def ask_example_film(self, visited: Visits, *options: object) -> Updates:
        """Answer the example film, which goes the way of every other film."""
        from explorer.intake.examples import example_film

        try:
            data = example_film()
        except CxrError as error:
            yield {self.intake: render.alert(error)}
        else:
            yield from self._read_and_ask(data, visited, options)

    def ask_film(self, image: QueryImage, visited: Visits, *options: object) -> Updates:
        """Answer the film on the screen."""
        yield from self._ask(Query(image=image), visited, options)

    def ask_both(self, text: str, image: QueryImage, weight: float, visited: Visits, *options: object) -> Updates:
        """Answer the text and the film on the screen together; weight: of the film, in per cent."""
        yield from self._ask(Query(text=text, image=image, weight=weight / 100), visited, options)

    def weigh(self, asked: Query | None, weight: float, visited: Visits, *options: object) -> Updates:
        """Answer text and film again under another weight; nothing if they were not asked together."""
        if asked is not None and asked.kind == "both":
            yield from self._ask(replace(asked, weight=weight / 100), visited, options)

    def forget_film(self, asked: Query | None) -> Updates:
        """Drop the film from the page and from memory, and with it an answer it gave."""
        gone = {self.film: "", self.film_acts: gr.Column(visible=False), self.intake: "", self.held: None}
        if asked is not None and asked.image is not None:
            gone |= {self.status: "", self.results: visit_html.welcome(), self.asked: None}
        yield gone | {self.visits: (), self.visited: ""}

    def ask_again(self, asked: Query | None, visited: Visits, *options: object) -> Updates:
        """Answer the last query under changed options; nothing if nothing was asked yet."""
        if asked is None:
            yield {self.status: ""}
        else:
            yield from self._ask(asked, visited, options)

    def do(self, event: gr.EventData, asked: Query | None, visited: Visits, *options: object) -> Updates:
        """Do what a person wants with a hit, with the questions of this visit, or with an address they opened."""
        sent = event._data if isinstance(event._data, dict) else {}
        what, which = str(sent.get("what")), str(sent.get("which", ""))
        acts: dict[str, Callable[[], Updates]] = {
            "like": lambda: self._ask(Query(study=which), visited, options),
            "undo": lambda: self._undone(visited),
            "again": lambda: self._again(which, visited),
            "without": lambda: self._leave_out(which, asked, visited, options),
            "unfilter": lambda: self._changed(_unfiltered(options), asked, visited),
            "restore": lambda: self._restored(which, str(sent.get("text", "")), visited),
        }
        try:
            yield from acts[what]() if what in acts else self._quiet()
        except CxrError as error:
            yield {self.status: render.alert(error)}

    def _quiet(self) -> Updates:
        yield {self.status: ""}

    def _undone(self, visited: Visits) -> Updates:
        """Answer the question before the last as it was asked then, and forget the last."""
        return self._shown_again(visited[-2], visited[:-1]) if len(visited) > 1 else self._quiet()

    def _again(self, place: str, visited: Visits) -> Updates:
        known = place.isdecimal() and int(place) < len(visited)
        return self._shown_again(visited[int(place)], visited) if known else self._quiet()

    def _shown_again(self, visit: Visit, visited: Visits) -> Updates:
        yield {self.query: visit.query.text or "", **self.options.show(visit.wanted)}
        yield from self._answer(visit, visited)

    def _leave_out(self, name: str, asked: Query | None, visited: Visits, options: tuple[object, ...]) -> Updates:
        wanted = Wanted.read(*options)
        without = tuple(dict.fromkeys((*wanted.filters.without, name)))
        changed = Wanted.read(*vars(replace(wanted, filters=replace(wanted.filters, without=without)).boxes()).values())
        yield from self._changed(changed, asked, visited)

    def _changed(self, wanted: Wanted, asked: Query | None, visited: Visits) -> Updates:
        """Show other choices, and answer the last query under them."""
        yield self.options.show(wanted)
        yield from self._quiet() if asked is None else self._answer(Visit(asked, wanted), visited)

    def _restored(self, address: str, text: str, visited: Visits) -> Updates:
        """Show the choices an address names, and answer the text it brings along, if any."""
        encoders = [choice.name for choice in self.explorer.choices()]
        corpora = [corpus.name for corpus in self.explorer.corpora()]
        wanted = restored(address, self.options.default(), encoders, corpora)
        yield {**self.options.show(wanted), self.query: text}
        yield from self._answer(Visit(Query(text=text), wanted), visited) if text.strip() else self._quiet()

    def _read_and_ask(self, data: bytes, visited: Visits, options: tuple[object, ...]) -> Updates:
        """A file that is no film is refused beside the drop zone and changes nothing else."""
        try:
            image = self.explorer.read_image(data)
        except CxrError as error:
            yield {self.intake: render.alert(error), self.drop: None}
            return
        picture = film_html.film(film.view(image), image.notes)
        kept = film.shown_already(image)
        seen = {self.film: picture, self.film_acts: gr.Column(visible=True), self.intake: "", self.held: kept}
        yield {**seen, self.drop: None}
        yield from self._ask(Query(image=kept), visited, options)

    def _ask(self, query: Query, visited: Visits, options: tuple[object, ...]) -> Updates:
        try:
            wanted = Wanted.read(*options)
        except CxrError as error:
            yield {self.asked: query, self.status: render.alert(error), self.results: ""}
        else:
            yield from self._answer(Visit(query, wanted), visited)

    def _answer(self, visit: Visit, visited: Visits) -> Updates:
        wanted = self._able(visit.query, visit.wanted)
        asked = {self.asked: visit.query}
        try:
            result, warning = yield from watch(partial(self._search, visit.query, wanted), partial(self._step, asked))
            described = self.explorer.describe(wanted.encoder)
        except CxrError as error:
            yield {self.status: render.alert(error), self.results: "", **asked}
            return
        corpus = next(one for one in self.explorer.corpora() if one.name == result.corpus)
        known = visits.after(visited, replace(visit, wanted=wanted))
        yield {
            self.status: hits_html.summary(result, corpus, wanted.address()),
            self.results: hits_html.answer(result, warning),
            self.options.encoder: wanted.encoder,
            self.footer: render.footer(corpus, described),
            self.visits: known,
            self.visited: visits.shown(known),
            **asked,
        }

    def _step(self, asked: Update, message: str, share: float) -> Update:
        return {self.status: render.busy(message, share), **asked}

    def _able(self, query: Query, wanted: Wanted) -> Wanted:
        """An encoder that cannot read this kind of query gives way to the first that can; the page shows it."""
        kind = "text" if query.kind == "text" else "image"
        able = [one.name for one in self.explorer.choices() if query.kind == "study" or kind in one.kinds]
        return wanted if wanted.encoder in able else replace(wanted, encoder=able[0])

    def _search(self, query: Query, wanted: Wanted, progress: Progress) -> tuple[SearchResult, str]:
        """Return the answer, and what has to be said above it."""
        result = self._ask_for(query)(
            encoder=wanted.encoder,
            corpus=wanted.corpus,
            scope=wanted.scope,
            k=wanted.k,
            filters=wanted.filters,
            progress=progress,
        )
        if self.explorer.recognises(query):
            return result, ""
        floor = self.explorer.floor(wanted.encoder, corpus=wanted.corpus, scope=wanted.scope, progress=progress)
        return result, hits_html.warning(result, floor)

    def _ask_for(self, query: Query) -> Callable[..., SearchResult]:
        """Return the search that a kind of query takes."""
        if query.study is not None:
            return partial(self.explorer.neighbours, query.study)
        if query.image is None:
            return partial(self.explorer.by_text, query.text or "")
        if query.text is None:
            return partial(self.explorer.by_image, query.image)
        return partial(self.explorer.by_both, query.text, query.image, weight=query.weight)


def _unfiltered(options: tuple[object, ...]) -> Wanted:
    """Return the choices without their filters, which may be mistyped."""
    chosen = Chosen(*options)
    return Wanted.read(*vars(Chosen(chosen.encoder, chosen.scope, chosen.k, corpus=chosen.corpus)).values())
