"""Below the film: where it speaks for the chosen hit, or for a phrase."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import gradio as gr

from explorer.errors import CxrError
from explorer.types import QueryImage, Scope
from explorer.ui import evidence_html, render
from explorer.ui.theme import PLAIN, QUIET

if TYPE_CHECKING:
    from gradio.components import Component

    from explorer.search import Explorer

SHOWN = "watch('value', () => window.dispatchEvent(new Event('cxr:evidence')))"
LONGEST_PHRASE = 300  # characters


class EvidencePanel:
    """Lays the panel out where it is made. The page's style hides it while no film is shown."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        with gr.Column(elem_id="evidence"):
            self.phrase = gr.Textbox(
                elem_id="evidence-phrase",
                label="A finding to look for on the film",
                show_label=False,
                container=False,
                placeholder="show on the film: pleural effusion",
                max_lines=1,
                max_length=LONGEST_PHRASE,
            )
            self.study = gr.Textbox(
                "", elem_id="evidence-study", label="Study to look for", container=False
            )  # by script
            self.shown = gr.HTML(evidence_html.nothing_yet(), elem_id="evidence-map", js_on_load=SHOWN, **PLAIN)

    def wire(self, film: gr.State, encoder: Component, scope: Component, corpus: Component | None) -> None:
        """Answer a phrase, and the study that `evidence.js` writes when a hit is chosen."""
        options = [film, encoder, scope, *([corpus] if corpus is not None else [])]
        on = partial(gr.on, outputs=self.shown, trigger_mode="always_last", concurrency_limit=2, **QUIET)
        on([self.phrase.submit], self.towards_phrase, [self.phrase, *options])
        on([self.study.change], self.towards_study, [self.study, *options])

    def towards_phrase(
        self, phrase: str | None, film: QueryImage | None, encoder: str, scope: str, corpus: str = ""
    ) -> str:
        """Show where the film speaks for a phrase; None is that of a box nobody has typed into."""
        return self._towards(film, encoder, scope, corpus, study="", phrase=(phrase or "").strip())

    def towards_study(self, study: str, film: QueryImage | None, encoder: str, scope: str, corpus: str = "") -> str:
        """Show where the film speaks for a hit; "" for none."""
        return self._towards(film, encoder, scope, corpus, study=study, phrase="")

    def _towards(
        self, film: QueryImage | None, encoder: str, scope: str, corpus: str, *, study: str, phrase: str
    ) -> str:
        if film is None or not (study or phrase):
            return evidence_html.nothing_yet()
        try:
            heat = self.explorer.evidence(
                film,
                encoder=self._with_eyes(encoder),
                study=study,
                phrase=phrase,
                corpus=corpus or None,
                scope=cast(Scope, scope),
            )
        except CxrError as error:
            return render.alert(error)
        return evidence_html.evidence(heat)

    def _with_eyes(self, encoder: str) -> str:
        """Return the encoder chosen if it reads films, else the first that does."""
        able = [choice.name for choice in self.explorer.choices() if "image" in choice.kinds]
        return encoder if encoder in able or not able else able[0]
