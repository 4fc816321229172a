"""The pages put together into one Gradio app.

All pages are parts of one document, and the browser shows the one that the address names: `?show=results`. Gradio's
own `Blocks.route` loads a whole new document for each page, which took 0.6 to 1.2 s and forgot the query and its film.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from explorer import results
from explorer.ui import render
from explorer.ui.abbreviations_page import AbbreviationsPage
from explorer.ui.api import Endpoints
from explorer.ui.compare_page import ComparePage
from explorer.ui.map_page import MapPage
from explorer.ui.results_page import ResultsPage
from explorer.ui.review_making import Maker
from explorer.ui.review_page import ReviewPage
from explorer.ui.search_page import SearchPage
from explorer.ui.theme import PLAIN
from explorer.ui.uploads import SWEEP

if TYPE_CHECKING:
    from explorer.search import Explorer
    from explorer.store import CorpusInfo

# as the address names them; the first is shown where it names none
PAGES = ("search", "compare", "abbreviations", "map", "review", "results")
READY = "() => { document.body.dataset.ready = 'yes'; window.dispatchEvent(new Event('cxr:ready')); }"
HEADER_SHOWN = "window.dispatchEvent(new Event('cxr:header'))"


def build_blocks(
    explorer: Explorer, measured: Path = results.FOLDER, *, api: bool = False, said: str = ""
) -> gr.Blocks:
    """Return the app on top of an engine and a folder of result files; `api` also answers programs.

    `said` stays above every page: why another encoder stands in for the one that was asked for.
    `document.body.dataset.ready` says "yes" once it takes input.
    """
    with gr.Blocks(title=render.PRODUCT, analytics_enabled=False, delete_cache=SWEEP, fill_width=True) as blocks:
        above = render.header(_searchable(explorer), PAGES) + (render.standing_in(said) if said else "")
        gr.HTML(above, elem_id="top", js_on_load=HEADER_SHOWN, **PLAIN)
        footer = render.footer(explorer.corpus, explorer.settings.encoder)
        bottom = gr.HTML(footer, elem_id="bottom", render=False, **PLAIN)
        search, compare = SearchPage(explorer, bottom), ComparePage(explorer)
        abbreviations, measurements = AbbreviationsPage(explorer), ResultsPage(measured, explorer)
        cloud = MapPage(explorer, search.asked)
        review = ReviewPage(explorer.settings.data, Maker(explorer, explorer.settings.data))
        bottom.render()
        search.wire(blocks)
        compare.wire()
        abbreviations.wire()
        measurements.wire(blocks)
        cloud.wire()
        review.wire()
        if api:
            Endpoints(explorer).offer()
        blocks.load(fn=None, js=READY, api_visibility="private")
    return blocks


def _searchable(explorer: Explorer) -> CorpusInfo:
    """Return what the top line names: the corpus, or how many there are."""
    corpora = explorer.corpora()
    if len(corpora) == 1:
        return corpora[0]
    return replace(corpora[0], title=f"{len(corpora)} corpora", studies=sum(corpus.studies for corpus in corpora))
