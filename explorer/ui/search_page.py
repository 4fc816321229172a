"""The Search page: a note or a film in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from explorer.errors import CxrError
from explorer.types import SCOPES, Query, QueryImage, SearchResult
from explorer.ui import film, render, upload
from explorer.ui.announce import at_once
from explorer.ui.evidence import EvidencePanel
from explorer.ui.options import HOW_MANY, VIEWS, Wanted
from explorer.ui.theme import PLAIN, QUIET
from explorer.ui.work import Progress, watch

if TYPE_CHECKING:
    from explorer.choices import RankerChoice
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
FILM_SHOWN = "watch('value', () => window.dispatchEvent(new Event('cxr:film')))"
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
        with gr.Column(elem_id="page"):
            self._lay_out_question()
            self._lay_out_side()
            self._lay_out_answer()

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

    def _lay_out_side(self) -> None:
        with gr.Column(elem_id="side"):
            self.film = gr.HTML("", elem_id="film", js_on_load=FILM_SHOWN, **PLAIN)
            with gr.Row(elem_id="film-acts", visible=False) as self.film_acts:
                self.by_film = gr.Button("search by this film", size="sm")
                self.remove_film = gr.Button("remove", size="sm", elem_id="remove-film")
            self.evidence = EvidencePanel(self.explorer)
            self.intake = gr.HTML("", elem_id="intake", **PLAIN)
            self.drop = gr.File(label="Film: DICOM, PNG or JPEG", elem_id="drop", show_label=False, height=72)
            self.example_film = gr.Button("or the example film, a CR chest", size="sm", elem_id="example-film")
            gr.HTML(render.options_switch(), elem_id="options-switch", **PLAIN)
            with gr.Column(elem_id="options"):
                self._lay_out_options()

    def _lay_out_options(self) -> None:
        choices = [(_label(choice), choice.name) for choice in self.explorer.choices()]
        settings = self.explorer.settings
        self.encoder = gr.Radio(choices, value=settings.encoder, label="Encoder", elem_id="encoder")
        self.scope = gr.Radio(list(SCOPES), value=SCOPES[0], label="Section searched", elem_id="scope")
        self.k = gr.Radio(list(HOW_MANY), value=settings.k, label="Hits", elem_id="k")
        self.view = gr.Radio(list(VIEWS), value="", label="View", elem_id="view")
        self.corpus = self._lay_out_corpora()
        with gr.Row(elem_id="age"):
            # gr.Number cannot be empty in the browser: it would ask for an age of 0
            self.min_age = gr.Textbox(label="Age from", placeholder="any", max_length=3, max_lines=1, min_width=0)
            self.max_age = gr.Textbox(label="to", placeholder="any", max_length=3, max_lines=1, min_width=0)

    def _lay_out_corpora(self) -> gr.Dropdown | None:
        """A choice that is no choice is not shown."""
        corpora = self.explorer.corpora()
        if len(corpora) == 1:
            return None
        choices = [(f"{corpus.title} ({corpus.studies:,})", corpus.name) for corpus in corpora]
        return gr.Dropdown(choices, value=corpora[0].name, label="Corpus", elem_id="corpus", filterable=False)

    def _lay_out_answer(self) -> None:
        with gr.Column(elem_id="answer"):
            self.status = gr.HTML("", elem_id="status", **PLAIN)
            self.results = gr.HTML(render.welcome(), elem_id="results", **PLAIN)

    def wire(self, blocks: gr.Blocks) -> None:
        """Connect the events to their answers. Those that need the engine share one line."""
        options = [self.encoder, self.scope, self.k, self.min_age, self.max_age, self.view]
        options += [self.corpus] if self.corpus is not None else []
        self.evidence.wire(self.held, self.encoder, self.scope, self.corpus)
        film_parts = [self.film, self.film_acts, self.intake, self.drop, self.held]
        shown = [self.status, self.results, self.query, self.encoder, self.footer, self.asked, *film_parts]
        on = partial(gr.on, outputs=shown, trigger_mode="always_last", **QUIET, **ENGINE)
        self.query.change(
            self.read_note,
            self.query,
            self.reading,
            trigger_mode="always_last",
            concurrency_limit=4,  # reading a note takes a millisecond: it never waits behind a search
            **QUIET,
        )
        clicked = [button.click for button in (*self.examples, self.by_film)]
        typed, changed = [self.query.submit, self.search.click], [option.input for option in options]
        # What was connected first runs first in the browser: the announcement must come before its answer.
        reading = [self.drop.upload, self.example_film.click]
        at_once(partial(gr.on, [*typed, *clicked, *changed]), {self.status: render.busy("Searching")})
        at_once(partial(gr.on, reading), {self.intake: render.busy("Reading the film")})
        events = [
            on([blocks.load], self.introduce),
            on(typed, self.ask_text, [self.query, *options]),
            *(on([button.click], self.ask_example, [button, *options]) for button in self.examples),
            on([self.drop.upload], self.ask_upload, [self.drop, *options], preprocess=False),
            on([self.example_film.click], self.ask_example_film, options),
            on([self.by_film.click], self.ask_film, [self.held, *options]),
            on([self.remove_film.click], self.forget_film, self.asked),
            on(changed, self.ask_again, [self.asked, *options]),
        ]
        for event in events:
            at_once(event.failure, {self.status: render.alert(FAILED), self.results: "", self.intake: ""})

    def introduce(self) -> Updates:
        """Name the encoder with its precision; a tower that cannot be used says so before anything is asked."""
        try:
            described = self.explorer.describe(self.explorer.settings.encoder)
        except CxrError as error:
            yield {self.status: render.alert(error)}
        else:
            yield {self.footer: render.footer(self.explorer.corpus, described)}

    def read_note(self, text: str) -> str:
        """Show the short forms of the query box and what they mean there; a text that cannot be read shows nothing."""
        try:
            return render.reading(self.explorer.expand(text))
        except CxrError:
            return ""

    def ask_text(self, text: str, *options: object) -> Updates:
        """Answer a typed query."""
        yield from self._answer(Query(text=text), options)

    def ask_example(self, text: str, *options: object) -> Updates:
        """Put an example in the query box and answer it."""
        yield {self.query: text}
        yield from self.ask_text(text, *options)

    def ask_upload(self, record: Mapping[str, object] | None, *options: object) -> Updates:
        """Answer a dropped file."""
        data = upload.take(record)
        yield {self.drop: None}
        yield from self._read_and_ask(data, options)

    def ask_example_film(self, *options: object) -> Updates:
        """Answer the example film, which goes the way of every other film."""
        from explorer.intake.examples import example_film

        try:
            data = example_film()
        except CxrError as error:
            yield {self.intake: render.alert(error)}
        else:
            yield from self._read_and_ask(data, options)

    def ask_film(self, image: QueryImage, *options: object) -> Updates:
        """Answer the film on the screen."""
        yield from self._answer(Query(image=image), options)

    def forget_film(self, asked: Query | None) -> Updates:
        """Drop the film from the page and from memory, and with it an answer it gave."""
        gone = {self.film: "", self.film_acts: gr.Row(visible=False), self.intake: "", self.held: None}
        if asked is not None and asked.kind == "image":
            gone |= {self.status: "", self.results: render.welcome(), self.asked: None}
        yield gone

    def ask_again(self, asked: Query | None, *options: object) -> Updates:
        """Answer the last query under changed options; nothing if nothing was asked yet."""
        if asked is None:
            yield {self.status: ""}
        else:
            yield from self._answer(asked, options)

    def _read_and_ask(self, data: bytes, options: tuple[object, ...]) -> Updates:
        """A file that is no film is refused beside the drop zone and changes nothing else."""
        try:
            image = self.explorer.read_image(data)
        except CxrError as error:
            yield {self.intake: render.alert(error)}
            return
        picture = render.film(film.view(image), image.notes)
        yield {self.film: picture, self.film_acts: gr.Row(visible=True), self.intake: "", self.held: image}
        yield from self._answer(Query(image=image), options)

    def _answer(self, query: Query, options: tuple[object, ...]) -> Updates:
        yield {self.asked: query}
        try:
            wanted = self._able(query, Wanted.read(*options))
            result = yield from watch(partial(self._search, query, wanted), self._step)
            described = self.explorer.describe(wanted.encoder)
        except CxrError as error:
            yield {self.status: render.alert(error), self.results: ""}
            return
        corpus = next(one for one in self.explorer.corpora() if one.name == result.corpus)
        yield {
            self.status: render.summary(result, corpus),
            self.results: render.answer(result),
            self.encoder: wanted.encoder,
            self.footer: render.footer(corpus, described),
        }

    def _step(self, message: str, share: float) -> Update:
        return {self.status: render.busy(message, share)}

    def _able(self, query: Query, wanted: Wanted) -> Wanted:
        """An encoder that cannot read this kind of query gives way to the first that can; the page shows it."""
        able = [choice.name for choice in self.explorer.choices() if query.kind in choice.kinds]
        return wanted if wanted.encoder in able else replace(wanted, encoder=able[0])

    def _search(self, query: Query, wanted: Wanted, progress: Progress) -> SearchResult:
        ask = (
            partial(self.explorer.by_text, query.text or "")
            if query.image is None
            else partial(self.explorer.by_image, query.image)
        )
        return ask(
            encoder=wanted.encoder,
            corpus=wanted.corpus,
            scope=wanted.scope,
            k=wanted.k,
            filters=wanted.filters,
            progress=progress,
        )


def _label(choice: RankerChoice) -> str:
    return choice.label if choice.note in choice.label else f"{choice.label} ({choice.note})"
