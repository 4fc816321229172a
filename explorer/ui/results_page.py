"""The Results page: what was measured here, and apart from it what the paper reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from explorer import results
from explorer.errors import BadQuery, CxrError, NotPrepared
from explorer.measuring import FOLDER, TASKS, lacking, measure
from explorer.paper import read_paper_tables
from explorer.ui import again_html, film_results_html, paper_html, render, results_html
from explorer.ui.announce import STOPPED, ended
from explorer.ui.theme import PLAIN, QUIET
from explorer.ui.work import watch

if TYPE_CHECKING:
    from explorer.choices import RankerChoice
    from explorer.search import Explorer

Read = TypeVar("Read")


SENDING = """
window.addEventListener('cxr:measure', ({detail}) => { element.dataset.stopped = ''; trigger('select', detail); });
window.addEventListener('cxr:measure-stop', () => { element.dataset.stopped = 'yes'; trigger('clear'); });
"""
TOLD = "watch('value', () => window.dispatchEvent(new Event('cxr:measured')))"
FAILED = "The measurement ended before its time: the server is busy, or something failed inside it. Try again."
Update = dict[Any, Any]


class ResultsPage:
    """Lays the page out in the Blocks being built, and fills it from a folder of result files.

    With an engine it also measures a task again; what comes of it is kept in the engine's data folder.
    """

    def __init__(self, folder: Path, explorer: Explorer | None = None) -> None:
        self.folder = folder
        self.explorer = explorer
        self.status = gr.HTML("", elem_id="again-status", js_on_load=TOLD, **PLAIN)
        self.shown = gr.HTML("", elem_id="measured", **PLAIN)
        self.bridge = gr.HTML("<span></span>", elem_id="again-bridge", js_on_load=SENDING, **PLAIN)

    def wire(self, blocks: gr.Blocks) -> None:
        """Read the files whenever the app is opened, after Search takes input: a reload shows a new measurement."""
        blocks.load(self.show, outputs=self.shown, **QUIET)
        parts = [self.status, self.shown]
        measured = self.bridge.select(self.again, outputs=parts, trigger_mode="once", concurrency_limit=1, **QUIET)
        measured.failure(None, outputs=[self.status], js=ended("again-bridge", FAILED), **QUIET)
        self.bridge.clear(self.stopped, outputs=parts, cancels=[measured], **QUIET)

    def again(self, event: gr.EventData) -> Iterator[Update]:
        """Measure the encoders and the task that were chosen, say how far it is, and show what was found."""
        if self.explorer is None:
            return
        asked = event._data if isinstance(event._data, dict) else {}
        given, task = asked.get("encoders"), str(asked.get("task"))
        able = [one.name for one in able_encoders(self.explorer)]
        chosen = [name for name in able if isinstance(given, list) and name in given]
        try:
            corpus = _able_corpus(self.explorer, asked.get("corpus"), task)
            work = partial(measure, task, chosen, corpus, self.explorer.settings.data)
            yield from watch(work, lambda what, share: {self.status: render.busy(what, share)})
        except CxrError as error:
            yield {self.status: render.alert(error)}
            return
        yield {self.status: "", self.shown: self.show()}

    def stopped(self) -> Update:
        """Say that nothing is measured any more."""
        return {self.status: render.told(STOPPED)}

    def show(self) -> str:
        """Return the page. A file that cannot be read is told in its place and hides no other."""
        sections = (
            self._section(results.read_measured, results_html.measured, results_html.unmeasured()),
            self._again(),
            self._section(results.read_films, film_results_html.films, ""),
            self._section(results.read_paper, results_html.paper, ""),
            self._section(read_paper_tables, paper_html.tables, ""),
            results_html.comparable(),
        )
        return "".join(sections)

    def _again(self) -> str:
        """What was measured on this machine, and the form that measures a task."""
        if self.explorer is None:
            return ""
        own = self._section(results.read_measured, results_html.own, "", self.explorer.settings.data / FOLDER)
        tasks = [(name, words) for name, (words, _) in TASKS.items()]
        encoders = [(one.name, one.label) for one in able_encoders(self.explorer)]
        return own + again_html.again(again_html.Choices(tasks, self.explorer.corpora(), encoders))

    def _section(
        self, read: Callable[[Path], Read], shown: Callable[[Read], str], absent: str, folder: Path | None = None
    ) -> str:
        try:
            return shown(read(folder or self.folder))
        except NotPrepared:
            return absent
        except CxrError as error:
            return render.alert(error)


def able_encoders(explorer: Explorer) -> list[RankerChoice]:
    """Return the ways to rank that the tasks on texts can be put to."""
    return [choice for choice in explorer.choices() if "text" in choice.kinds]


def _able_corpus(explorer: Explorer, asked: object, task: str) -> str:
    """Return the name of the corpus asked for. Raises BadQuery if there is none, or it has no texts for the task."""
    for corpus in explorer.corpora():
        if corpus.name == asked:
            if missing := lacking(corpus.sections).get(task):
                raise BadQuery(f"{corpus.title} has no {missing}: Task {task} cannot be measured on it.")
            return corpus.name
    raise BadQuery("Choose one of the prepared corpora.")
