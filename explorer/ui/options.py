"""What a person can choose on the Search page, and what a choice means to the engine."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import BadQuery
from explorer.types import SCOPES, Filters, Scope

HOW_MANY = (5, 10, 25, 50)
VIEWS = (("any", ""), ("PA", "PA"), ("AP", "AP"), ("lateral", "LATERAL"))  # shown, sent


@dataclass(frozen=True)
class Wanted:
    """How a query is to be answered; the names are those of `Explorer.by_text` and `Explorer.by_image`."""

    encoder: str
    scope: Scope
    k: int
    filters: Filters
    corpus: str | None = None  # None: the one that is searched where none is named

    @classmethod
    def read(
        cls,
        encoder: object,
        scope: object,
        k: object,
        min_age: object,
        max_age: object,
        view: object,
        corpus: object = None,
    ) -> Wanted:
        """Read the options as a browser sends them; `corpus` only where there are several.

        Raises BadQuery for anything that the page does not offer.
        """
        scopes = [name for name in SCOPES if name == scope]
        counts = [count for count in HOW_MANY if count == k]
        views = [sent for _, sent in VIEWS if sent == view]
        if not (scopes and counts and views):
            raise BadQuery("The page offers no such option. Reload it and choose again.")
        filters = Filters(_years(min_age), _years(max_age), views[0] or None)
        return cls(str(encoder), scopes[0], counts[0], filters, None if corpus is None else str(corpus))


def _years(text: object) -> int | None:
    """Return an age in years; None for an empty box."""
    written = str(text or "").strip()
    if not written:
        return None
    if not written.isdecimal():
        raise BadQuery("An age is a whole number of years. Leave the box empty for any age.")
    return int(written)
