"""The pages put together into one Gradio app."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from explorer.ui import render
from explorer.ui.search_page import SearchPage

if TYPE_CHECKING:
    from explorer.search import Explorer

SWEEP = (60, 600)  # seconds: how often uploads nobody read are looked for, and how old they may get
READY = "() => { document.body.dataset.ready = 'yes'; }"


def build_blocks(explorer: Explorer) -> gr.Blocks:
    """Return the app on top of an engine. `document.body.dataset.ready` says "yes" once it takes input."""
    with gr.Blocks(title=render.PRODUCT, analytics_enabled=False, delete_cache=SWEEP, fill_width=True) as blocks:
        gr.HTML(render.header(explorer.corpus), elem_id="top", apply_default_css=False)
        SearchPage(explorer).wire(blocks)
        blocks.load(fn=None, js=READY, api_visibility="private")
    return blocks
