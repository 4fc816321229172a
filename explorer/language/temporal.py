"""The temporal filter: reports that compare with an earlier film, found by the keywords of BioViL-T.

Source: Bannur et al. 2023, https://arxiv.org/abs/2301.04558; the list as in RadEval's temporal F1. A report with
one keyword or more leaves the test set. The list has static uses too ("the heart is enlarged", "elevated
hemidiaphragm"), so what is kept leans towards normal studies: show `removed_by` wherever the filter is used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from explorer.corpora.sections import scope_text
from explorer.language.phrases import table
from explorer.types import Report, Scope

KEYWORDS: tuple[str, ...] = tuple(row["keyword"] for row in table("temporal.tsv"))
_WHOLE_WORD = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class TemporalFilter:
    """What the filter left and what it took."""

    kept: tuple[Report, ...]
    removed: int
    removed_by: Mapping[str, int]  # reports each keyword occurs in, most first; one report may count for several


def keywords_in(text: str) -> tuple[str, ...]:
    """Return the keywords of a text in small letters, in order, each once."""
    return tuple(dict.fromkeys(found.group().lower() for found in _WHOLE_WORD.finditer(text)))


def without_temporal(reports: Iterable[Report], scope: Scope = "report") -> TemporalFilter:
    """Keep the reports whose text in `scope` holds no keyword.

    A report without text in that scope is neither kept nor removed.
    """
    kept: list[Report] = []
    removed_by: Counter[str] = Counter()
    removed = 0
    for report in reports:
        text = scope_text(report.sections, scope)
        keywords = keywords_in(text)
        removed_by.update(keywords)
        removed += bool(keywords)
        if text and not keywords:
            kept.append(report)
    return TemporalFilter(tuple(kept), removed, dict(removed_by.most_common()))
