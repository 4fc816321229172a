"""The choice of a corpus, on pages where every question goes to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

if TYPE_CHECKING:
    from explorer.search import Explorer


def choice_of_corpus(explorer: Explorer, elem_id: str) -> gr.Radio | gr.State:
    """Lay out the corpora to choose from; a choice that is no choice is not shown and stands for the default."""
    corpora = explorer.corpora()
    if len(corpora) == 1:
        return gr.State(None)
    choices = [(f"{corpus.title} ({corpus.studies:,})", corpus.name) for corpus in corpora]
    return gr.Radio(choices, value=corpora[0].name, label="Corpus", elem_id=elem_id)
