"""The Results page: what was measured here, and apart from it what the paper reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import gradio as gr

from explorer import results
from explorer.errors import CxrError, NotPrepared
from explorer.ui import render, results_html
from explorer.ui.theme import PLAIN, QUIET

Read = TypeVar("Read")


class ResultsPage:
    """Lays the page out in the Blocks being built, and fills it from a folder of result files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = gr.HTML("", elem_id="measured", **PLAIN)

    def wire(self, blocks: gr.Blocks) -> None:
        """Read the files whenever the app is opened, after Search takes input: a reload shows a new measurement."""
        blocks.load(self.show, outputs=self.shown, **QUIET)

    def show(self) -> str:
        """Return the page. A file that cannot be read is told in its place and hides no other."""
        sections = (
            self._section(results.read_measured, results_html.measured, results_html.unmeasured()),
            self._section(results.read_films, results_html.films, ""),
            self._section(results.read_paper, results_html.paper, ""),
        )
        return "".join(sections)

    def _section(self, read: Callable[[Path], Read], shown: Callable[[Read], str], absent: str) -> str:
        try:
            return shown(read(self.folder))
        except NotPrepared:
            return absent
        except CxrError as error:
            return render.alert(error)
