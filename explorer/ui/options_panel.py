"""The boxes of the Search page's options, in the order of `Chosen`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from explorer.store_filters import Facets
from explorer.types import SCOPES
from explorer.ui.options import HOW_MANY, MOST_FINDINGS, PARTS, SEXES, VIEWS, Choices, Chosen, Wanted, finding_choices
from explorer.ui.theme import PLAIN

if TYPE_CHECKING:
    from explorer.choices import RankerChoice
    from explorer.search import Explorer

Update = dict[Any, Any]  # part of the page → its new value
FILTERS = '<h2>Filters</h2><button type="button" class="plain" data-act="unfilter">clear</button>'


class OptionsPanel:
    """Encoder, section, number of hits, and the filters. Lays itself out where it is made."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        choices = [(_label(choice), choice.name) for choice in explorer.choices()]
        settings = explorer.settings
        self.encoder = gr.Radio(choices, value=settings.encoder, label="Encoder", elem_id="encoder")
        self.scope = gr.Radio(list(SCOPES), value=SCOPES[0], label="Section searched", elem_id="scope")
        self.k = gr.Radio(list(HOW_MANY), value=settings.k, label="Hits", elem_id="k")
        self.corpus = self._lay_out_corpora()
        gr.HTML(FILTERS, elem_id="filters-head", **PLAIN)
        self._lay_out_filters()

    def _lay_out_corpora(self) -> gr.Dropdown | None:
        """A choice that is no choice is not shown."""
        corpora = self._explorer.corpora()
        if len(corpora) == 1:
            return None
        choices = [(f"{corpus.title} ({corpus.studies:,})", corpus.name) for corpus in corpora]
        return gr.Dropdown(choices, value=corpora[0].name, label="Source", elem_id="corpus", filterable=False)

    def _lay_out_filters(self) -> None:
        asked, excluded = finding_choices(None)
        self.findings = _several(asked, "Finding and status", "finding")
        self.without = _several(excluded, "Without the finding", "without")
        with gr.Row(elem_id="age"):
            # gr.Number cannot be empty in the browser: it would ask for an age of 0
            self.min_age = gr.Textbox(label="Age from", placeholder="any", max_length=3, max_lines=1, min_width=0)
            self.max_age = gr.Textbox(label="to", placeholder="any", max_length=3, max_lines=1, min_width=0)
        self.sex = gr.Radio(list(SEXES), value="", label="Sex, where the report or its source states it", elem_id="sex")
        self.view = gr.Radio(list(VIEWS), value="", label="View", elem_id="view")
        self.part = gr.Radio(list(PARTS), value="", label="Report has", elem_id="part")

    @property
    def parts(self) -> list[Any]:
        """The boxes in the order of `Chosen`."""
        boxes = [self.encoder, self.scope, self.k, self.min_age, self.max_age, self.view, self.sex, self.part]
        boxes += [self.findings, self.without]
        return boxes if self.corpus is None else [*boxes, self.corpus]

    def show(self, wanted: Wanted) -> Update:
        """Have the boxes show these choices."""
        values = vars(wanted.boxes())
        return dict(zip(self.parts, values.values(), strict=False))

    def offer(self, facets: Facets) -> Update:
        """Have the lists of findings hold those of a corpus, each with its number of studies."""
        asked, excluded = finding_choices(facets)
        return {self.findings: gr.Dropdown(choices=asked), self.without: gr.Dropdown(choices=excluded)}

    def default(self) -> Wanted:
        """Return what is chosen where nothing is said."""
        corpus = None if self.corpus is None else self._explorer.corpora()[0].name
        settings = self._explorer.settings
        return Wanted.read(*vars(Chosen(settings.encoder, SCOPES[0], settings.k, corpus=corpus)).values())


def _several(choices: Choices, label: str, name: str) -> gr.Dropdown:
    """A list to choose several findings from."""
    return gr.Dropdown(
        choices,
        value=[],
        multiselect=True,
        num_choices_shown=len(choices),
        max_choices=MOST_FINDINGS,
        label=label,
        elem_id=name,
        elem_classes="several",
    )


def _label(choice: RankerChoice) -> str:
    return choice.label if choice.note in choice.label else f"{choice.label} ({choice.note})"
