"""The paper's further tables to HTML: in the hand of everything it reports, each with what may be set against it."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.paper import PaperGroup, PaperRow, PaperTable
from explorer.ui.render import escape


def tables(reported: Sequence[PaperTable]) -> str:
    """Return the tables, each folded away until it is asked for."""
    return "".join(map(_table, reported))


def _table(one: PaperTable) -> str:
    groups = "".join(
        f'<th class="first" scope="colgroup" colspan="{len(group.measures)}">{escape(group.name)}</th>'
        for group in one.groups
    )
    measures = "".join(
        f'<th scope="col"{_first(place)}>{_head(measure)}</th>'
        for group in one.groups
        for place, measure in enumerate(group.measures)
    )
    rows = "".join(_row(row, one.groups) for row in one.rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in one.notes)
    return (
        f'<section class="reported"><details><summary><h2>Reported by the paper, {escape(one.title)}</h2></summary>'
        f'<p class="about">{escape(one.about)}</p><div class="wide" role="region" tabindex="0" '
        f'aria-label="{escape(one.title)}"><table><thead><tr><th class="name" scope="col" rowspan="2">Model</th>'
        f'{groups}</tr><tr>{measures}</tr></thead><tbody>{rows}</tbody></table></div><ul class="notes">{notes}</ul>'
        "</details></section>"
    )


def _row(row: PaperRow, groups: Sequence[PaperGroup]) -> str:
    decimals = [(group.decimals, place) for group in groups for place in range(len(group.measures))]
    cells = "".join(
        f"<td{_first(place)}>{'–' if value is None else f'{value:.{digits}f}'}</td>"
        for value, (digits, place) in zip(row.values, decimals, strict=True)
    )
    made_of = f"<small>{escape(row.made_of)}</small>" if row.made_of else ""
    return f'<tr><th class="name" scope="row">{escape(row.model)}{made_of}</th>{cells}</tr>'


def _head(measure: str) -> str:
    return escape(measure.replace("recall@", "R@").replace("CheXbert macro-F1", "CheXbert mF1"))


def _first(place: int) -> str:
    return ' class="first"' if place == 0 else ""
