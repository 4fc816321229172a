"""What was asked in one visit, so that a person can go back. Kept with the session's state and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.types import Query
from explorer.ui import visit_html
from explorer.ui.options import Wanted

MOST = 50  # questions remembered
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
    """Return the visits with one more; the same question asked again in the same way counts once."""
    return visits if visits and visits[-1] == visit else (*visits, visit)[-MOST:]


def shown(visits: Sequence[Visit]) -> str:
    """Return the list of them, with the way back."""
    return visit_html.visits([(visit.question(), visit.how()) for visit in visits])
