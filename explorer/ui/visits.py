"""What was asked in one visit, so that a person can go back. Kept with the session's state and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.types import Query
from explorer.ui import visit_html
from explorer.ui.options import Wanted

MOST = 50  # questions remembered
FILMS = 5  # films among them: one takes up to 40 MB, and there are as many visits as pages open
SHOWN = 70  # characters of a question


@dataclass(frozen=True)
class Visit:
    """A question and how it was asked."""

    query: Query
    wanted: Wanted

    def question(self) -> str:
        """Return the question in a few words."""
        query = self.query
        if query.study is not None:
            return f"like {query.study}"
        text = (query.text or "").strip()
        short = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
        if query.image is None:
            return short
        return f"{short} + film" if text else "film"

    def how(self) -> str:
        """Return by what it was answered."""
        return f"{self.wanted.encoder} · {self.wanted.scope}"


Visits = tuple[Visit, ...]


def after(visits: Visits, visit: Visit) -> Visits:
    """Return the visits with one more; the same question asked again in the same way counts once.

    Questions about any but the last few films are forgotten.
    """
    if visits and visits[-1] == visit:
        return visits
    every = (*visits, visit)[-MOST:]
    films = list(dict.fromkeys(one.query.image.digest for one in reversed(every) if one.query.image is not None))
    return tuple(one for one in every if one.query.image is None or one.query.image.digest in films[:FILMS])


def shown(visits: Sequence[Visit]) -> str:
    """Return the list of them, with the way back."""
    return visit_html.visits([(visit.question(), visit.how()) for visit in visits])
