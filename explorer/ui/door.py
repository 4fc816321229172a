"""The reviewers' door: an app of the Review page alone.

Whoever reviews through it can neither search nor read a list of encoders, and nothing it sends names a model before
the reviewer's answers are closed. No corpus is opened and no tower loaded.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from explorer.ui import render
from explorer.ui.review_page import ReviewPage
from explorer.ui.theme import PLAIN

HEADER_SHOWN = "window.dispatchEvent(new Event('cxr:header'))"
READY = "() => { document.body.dataset.ready = 'yes'; }"


def build_door(data: Path) -> gr.Blocks:
    """Return the app for reviewers of the reviews in a data folder."""
    with gr.Blocks(title=render.PRODUCT, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(render.door_header(), elem_id="top", js_on_load=HEADER_SHOWN, **PLAIN)
        page = ReviewPage(data, None)
        gr.HTML(render.door_footer(), elem_id="bottom", **PLAIN)
        page.wire()
        blocks.load(fn=None, js=READY, api_visibility="private")
    return blocks
