"""What programs may ask: four endpoints of the app, there only where it was started with `--api`.

They answer with the JSON of `explorer.export`, under the limits of the page. How to call them: docs/api.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, get_type_hints

import gradio as gr

from explorer.errors import BadQuery, CxrError
from explorer.export import as_json, comparison_json, expansion_json
from explorer.types import SCOPES, Scope
from explorer.ui.work import waited

if TYPE_CHECKING:
    from explorer.search import Explorer

Answer = TypeVar("Answer")
SAME_LINE = {"concurrency_limit": 1, "concurrency_id": "engine"}  # as the Search page: there is one engine


class Endpoints:
    """The answers to programs. An empty encoder or corpus stands for the app's own."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer

    def offer(self) -> None:
        """Add the endpoints to the Blocks being built."""
        for name in ("search", "expand", "compare", "neighbours"):
            function = getattr(Endpoints, name)
            function.__annotations__ = get_type_hints(function)  # Gradio reads them as types, not as words
            gr.api(getattr(self, name), api_name=name, **SAME_LINE)

    def search(
        self, text: str, k: int = 10, encoder: str = "", corpus: str = "", section: str = "report"
    ) -> dict[str, object]:
        """Return the k studies (1 to 100) that say the same as a text of at most 4,000 characters."""
        return _told(
            lambda: as_json(
                self._explorer.by_text(
                    _text(text),
                    encoder=self._encoder(encoder),
                    corpus=_text(corpus) or None,
                    scope=_scope(section),
                    k=_count(k),
                )
            )
        )

    def expand(self, text: str) -> dict[str, object]:
        """Return the abbreviations of a note, each with its reading in this context and the rejected ones."""
        return _told(lambda: expansion_json(self._explorer.expand(_text(text))))

    def compare(
        self, text: str, encoders: list[str], k: int = 10, corpus: str = "", section: str = "report"
    ) -> dict[str, object]:
        """Return the answers of two to four rankers to one text, joined by study."""
        return _told(
            lambda: comparison_json(
                self._explorer.compare(
                    _text(text),
                    encoders=_names(encoders),
                    corpus=_text(corpus) or None,
                    scope=_scope(section),
                    k=_count(k),
                )
            )
        )

    def neighbours(
        self, study: str, k: int = 10, encoder: str = "", corpus: str = "", section: str = "report"
    ) -> dict[str, object]:
        """Return the studies nearest to one, such as "openi:3311", in the encoder's original space."""
        return _told(
            lambda: as_json(
                self._explorer.neighbours(
                    _text(study),
                    encoder=self._encoder(encoder),
                    corpus=_text(corpus) or None,
                    scope=_scope(section),
                    k=_count(k),
                )
            )
        )

    def _encoder(self, name: object) -> str:
        return _text(name) or self._explorer.settings.encoder


def _told(answer: Callable[[], Answer]) -> Answer:
    """Return an answer; an error reaches the caller in our words, whatever it was, and what hangs is given up."""
    try:
        return waited(answer)
    except CxrError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadQuery("A text, a name and a study are each sent as a string. See docs/api.md.")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadQuery("The number of hits is a whole number, 1 to 100.")
    return value


def _scope(value: object) -> Scope:
    for scope in SCOPES:
        if scope == value:
            return scope
    raise BadQuery(f"A section is one of: {', '.join(SCOPES)}.")


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise BadQuery("The rankers to compare are sent as a list of names, two to four of them.")
    return [_text(name) for name in value]
