"""The Abbreviations page: a note read short form by short form, and how far its reports move with the reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from explorer.compare import Comparison, Moved, compared
from explorer.errors import BadQuery, CxrError
from explorer.language.abbreviations import Expansion, look_up, with_readings
from explorer.types import SCOPES, Scope
from explorer.ui import abbreviations_html, render
from explorer.ui.announce import at_once, stoppable
from explorer.ui.corpora import choice_of_corpus
from explorer.ui.theme import PLAIN, QUIET
from explorer.ui.work import Progress, watch

if TYPE_CHECKING:
    from explorer.search import Explorer

K = 10  # reports of each form
SHOWN = 40  # entries of the glossary at first
MORE = 200  # and at each further step
SESSION_SECONDS = 3_600  # what was asked is forgotten after this, if the page is not closed before
ENGINE = {"concurrency_limit": 1, "concurrency_id": "engine"}
READING = {"concurrency_limit": 4, "concurrency_id": "reading"}  # a millisecond: it never waits behind a search
PLACEHOLDER = "sm R PTX s/p CT to WS, BLLF retic opac, r/o PE vs PNA"
GLOSSARY_HINT = "Type a short form, or a word that one may stand for."
CHANGED = "The note has changed since: show the reports again."
UNSPOKEN = "The note holds no short form of the lexicon: its long form is the same, and no report moves."
FAILED = "The reports were not found: the server is busy, or something failed inside it. Try again in a moment."
CHOSEN = """
let chosen = null;
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-choose]');
  if (!button) return;
  chosen = button.dataset.choose;
  trigger('select', { span: Number(chosen), long: button.dataset.long });
});
watch('value', () => {
  element.querySelector(`[data-choose="${chosen}"][aria-checked="true"]`)?.focus();
  chosen = null;
});
"""

Update = dict[Any, Any]  # part of the page → its new value
Updates = Iterator[Update]
Chosen = Mapping[int, str]  # number of a span → the reading chosen by hand


class AbbreviationsPage:
    """Lays the page out in the Blocks being built, and answers its events from an `Explorer`."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.chosen = gr.State({}, time_to_live=SESSION_SECONDS)  # readings chosen by hand for the note as it stands
        self.moved = gr.State({}, time_to_live=SESSION_SECONDS)  # encoder → Moved, for the note as it was asked
        self.encoders = [choice.name for choice in explorer.choices() if "text" in choice.kinds]
        with gr.Column(elem_id="abbreviations", elem_classes="desk"):
            self._lay_out_note()
            self._lay_out_reports()
            self._lay_out_glossary()

    def _lay_out_note(self) -> None:
        with gr.Row(elem_classes="ask"):
            self.text = gr.Textbox(
                elem_id="abbreviated",
                label="Note in shorthand",
                show_label=False,
                container=False,
                placeholder=PLACEHOLDER,
                lines=1,  # more would take Enter for a new line
                max_lines=8,
                max_length=self.explorer.settings.limits.query_characters,
                html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocomplete="off"),
            )
            self.ask_button = gr.Button("Show reports", variant="primary", elem_id="moves-ask", scale=0)
            self.stop = gr.Button("Stop", elem_id="moves-stop", elem_classes="stop", scale=0)
        self.note = gr.HTML(abbreviations_html.welcome(), elem_id="note", js_on_load=CHOSEN, **PLAIN)

    def _lay_out_reports(self) -> None:
        with gr.Row(elem_classes="choices"):
            first = self.explorer.settings.encoder
            value = first if first in self.encoders else self.encoders[0]
            self.encoder = gr.Radio(self.encoders, value=value, label="Encoder", elem_id="moves-encoder")
            self.scope = gr.Radio(list(SCOPES), value=SCOPES[0], label="Section searched", elem_id="moves-scope")
            self.corpus = choice_of_corpus(self.explorer, "moves-corpus")
        self.status = gr.HTML("", elem_id="moves-status", **PLAIN)
        self.lists = gr.HTML("", elem_id="moves", **PLAIN)
        with gr.Column(elem_id="stay", visible=False) as self.stay:
            self.overlaps = gr.HTML("", elem_id="stay-table", **PLAIN)
            with gr.Row(elem_classes="acts"):
                self.all_button = gr.Button("Ask all encoders", elem_id="stay-ask", scale=0)
                self.stop_all = gr.Button("Stop", elem_id="stay-stop", elem_classes="stop", scale=0)
            self.all_status = gr.HTML("", elem_id="stay-status", **PLAIN)

    def _lay_out_glossary(self) -> None:
        self.glossary_shown = gr.State(SHOWN)
        with gr.Column(elem_id="glossary"):
            gr.HTML("<h2>Glossary</h2>", **PLAIN)
            self.wanted = gr.Textbox(
                elem_id="glossary-query",
                label="Short form, or what it stands for",
                placeholder="CT",
                max_length=80,
                max_lines=1,
                html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocomplete="off"),
            )
            self.entries = gr.HTML(render.notice(GLOSSARY_HINT), elem_id="glossary-entries", **PLAIN)
            self.more = gr.Button("Show more", visible=False, elem_id="glossary-more", scale=0)

    def wire(self) -> None:
        """Connect the events to their answers. Those that search wait in one line: there is one engine."""
        note = [self.note, self.chosen]
        reports = [self.status, self.lists, self.stay, self.overlaps, self.moved, self.all_status]
        asked = [self.text, self.chosen, self.encoder, self.scope, self.corpus]
        on = partial(gr.on, trigger_mode="always_last", **QUIET, **ENGINE)
        typed = partial(self.text.change, trigger_mode="always_last", **QUIET, **READING)
        typed(self.read, [self.text, self.moved], [*note, self.status, self.moved, self.stay])
        elsewhere = [self.scope.input, *([self.corpus.input] if isinstance(self.corpus, gr.Radio) else [])]
        searching = [self.text.submit, self.ask_button.click]
        at_once(partial(gr.on, searching), {self.status: render.busy("Searching for both forms")})
        at_once(self.all_button.click, {self.all_status: render.busy("Asking every encoder")})
        one = [
            on(searching, self.ask, asked, reports),
            on([self.encoder.input], self.ask_other, [*asked, self.moved], reports),
            on(elsewhere, self.ask_again, [*asked, self.moved], reports),
            on([self.note.select], self.choose, [*asked, self.moved], [*note, *reports]),
        ]
        measured = [self.overlaps, self.moved, self.all_status]
        every = on([self.all_button.click], self.ask_all, [*asked, self.moved], measured)
        stoppable(one, self.stop, self.status, FAILED)
        stoppable([every], self.stop_all, self.all_status, FAILED)
        self._wire_glossary()

    def _wire_glossary(self) -> None:
        found = [self.entries, self.more, self.glossary_shown]
        events = [self.wanted.change, self.wanted.focus]
        gr.on(events, self.find, self.wanted, found, trigger_mode="always_last", **QUIET, **READING)
        self.more.click(self.find_more, [self.wanted, self.glossary_shown], found, **QUIET, **READING)

    def read(self, text: str | None, moved: Mapping[str, Moved]) -> Update:
        """Show the note as read. Readings chosen before belonged to another note, and so did its reports."""
        update: Update = {self.chosen: {}}
        note = text or ""  # None: nobody has typed into the box yet
        try:
            update[self.note] = self._read(note, {}) if note.strip() else abbreviations_html.welcome()
        except CxrError as error:
            update[self.note] = render.alert(error)
        if moved:
            update |= {self.status: render.notice(CHANGED), self.moved: {}, self.stay: gr.Column(visible=False)}
        return update

    def ask(self, text: str, chosen: Chosen, encoder: str, scope: object, corpus: str | None) -> Updates:
        """Show what the short and the long form of the note retrieve."""
        yield from self._ask(text, chosen, encoder, scope, corpus, {})

    def ask_other(
        self, text: str, chosen: Chosen, encoder: str, scope: object, corpus: str | None, moved: Mapping[str, Moved]
    ) -> Updates:
        """Do the same with another encoder, beside those asked before; nothing if no reports are shown."""
        if moved:
            yield from self._ask(text, chosen, encoder, scope, corpus, moved)

    def ask_again(
        self, text: str, chosen: Chosen, encoder: str, scope: object, corpus: str | None, moved: Mapping[str, Moved]
    ) -> Updates:
        """Do the same in another section or corpus; nothing if no reports are shown."""
        if moved:
            yield from self._ask(text, chosen, encoder, scope, corpus, {})

    def choose(
        self,
        text: str,
        chosen: Chosen,
        encoder: str,
        scope: object,
        corpus: str | None,
        moved: Mapping[str, Moved],
        event: gr.EventData,
    ) -> Updates:
        """Read a short form otherwise, and show what changes if reports are shown."""
        try:
            span, long = _choice(event)
            now = {**chosen, span: long}
            yield {self.note: self._read(text, now, span), self.chosen: now}
        except CxrError as error:
            yield {self.status: render.alert(error)}
            return
        if moved:
            yield {self.status: render.busy("Searching for both forms")}
            yield from self._ask(text, now, encoder, scope, corpus, {})

    def ask_all(
        self, text: str, chosen: Chosen, encoder: str, scope: object, corpus: str | None, moved: Mapping[str, Moved]
    ) -> Updates:
        """Ask every encoder that was not asked yet how far its reports move."""
        known = dict(moved)
        try:
            where = _scope(scope)
            for name in self.encoders:
                if name not in known:
                    work = partial(self._both, text, chosen, name, where, corpus)
                    comparison = yield from watch(work, partial(self._step, self.all_status))
                    known[name] = comparison.moved
                    yield {self.overlaps: self._overlaps(known, encoder), self.moved: dict(known)}
        except CxrError as error:
            yield {self.all_status: render.alert(error)}
        else:
            yield {self.all_status: ""}

    def find(self, asked: str) -> Update:
        """Show what the glossary has for a short form or a word."""
        return self._found(asked, SHOWN)

    def find_more(self, asked: str, shown: int) -> Update:
        """Show more of the same."""
        return self._found(asked, shown + MORE)

    def _found(self, asked: str, shown: int) -> Update:
        entries = look_up(self.explorer.glossary(), asked or "")
        return {
            self.entries: abbreviations_html.glossary(entries, shown, asked or ""),
            self.more: gr.Button(visible=len(entries) > shown),
            self.glossary_shown: shown,
        }

    def _read(self, text: str | None, chosen: Chosen, opened: int | None = None) -> str:
        return abbreviations_html.note(self._expanded(text, chosen), opened)

    def _expanded(self, text: str | None, chosen: Chosen) -> Expansion:
        return with_readings(self.explorer.expand(text or ""), chosen)

    def _ask(
        self, text: str, chosen: Chosen, encoder: str, scope: object, corpus: str | None, known: Mapping[str, Moved]
    ) -> Updates:
        try:
            work = partial(self._both, text, chosen, encoder, _scope(scope), corpus)
            comparison = yield from watch(work, partial(self._step, self.status))
        except CxrError as error:
            yield {
                self.status: render.alert(error),
                self.lists: "",
                self.stay: gr.Column(visible=False),
                self.moved: {},
            }
            return
        moved = {**known, encoder: comparison.moved}
        yield {
            self.status: abbreviations_html.summary(comparison),
            self.lists: abbreviations_html.moves(comparison),
            self.stay: gr.Column(visible=True),
            self.overlaps: self._overlaps(moved, encoder),
            self.moved: moved,
            self.all_status: "",
        }

    def _both(
        self, text: str, chosen: Chosen, encoder: str, scope: Scope, corpus: str | None, progress: Progress
    ) -> Comparison:
        """Return an encoder's answers to the note as typed and to its long form."""
        long = self._expanded(text, chosen).expanded
        if long == text:
            raise BadQuery(UNSPOKEN)
        results = []
        for number, form in enumerate((text, long)):

            def tell(what: str, share: float, number: int = number) -> None:
                progress(what, (number + share) / 2)

            tell(f"Asking {encoder} for the {abbreviations_html.FORMS[number]}", 0.0)
            results.append(self.explorer.by_text(form, encoder=encoder, corpus=corpus, scope=scope, k=K, progress=tell))
        return compared(results)

    def _overlaps(self, moved: Mapping[str, Moved], encoder: str) -> str:
        return abbreviations_html.overlaps(self.encoders, moved, encoder)

    def _step(self, status: gr.HTML, message: str, share: float) -> Update:
        return {status: render.busy(message, share)}


def _scope(sent: object) -> Scope:
    for scope in SCOPES:
        if scope == sent:
            return scope
    raise BadQuery("The page offers no such section. Reload it and choose again.")


def _choice(event: gr.EventData) -> tuple[int, str]:
    """Read which reading was pressed, as the browser sends it. Raises BadQuery."""
    sent = getattr(event, "_data", None)
    span, long = (sent.get("span"), sent.get("long")) if isinstance(sent, dict) else (None, None)
    if not isinstance(span, int) or not isinstance(long, str):
        raise BadQuery("This short form has no such reading. Type the note again.")
    return span, long
