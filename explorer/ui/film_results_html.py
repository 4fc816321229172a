"""What was measured on films to HTML: a row a measure and part of the films, a column a pair of towers."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.results import ALL, FilmFigure, FilmTowers
from explorer.ui.chart import interval, scale_of, whisker
from explorer.ui.render import escape
from explorer.ui.results_html import CHECKPOINT, table

IMAGENET = ("ImageNet’s features", "never saw a film")
OF_IMAGENET = " of ImageNet's features"  # how a measure of theirs ends in the result file
SCALE = scale_of((0.0, 1.0))
ABOUT = (
    "Films of patients no training has seen. Films and reports are aligned through findings, not through paired "
    "reports: a report counts as found if it shares a finding with the film. Averaged within a patient; an AUROC is "
    "the mean over findings with at least 15 positive films."
)
LEGEND = (
    "Bar: 95 % interval over patients, from 0 to 1. Chance: guessing. Floor: an answer that is the same for every "
    "film. “Of one view and sampling”: what only tells where a film came from counts for nothing. Point at a figure, "
    "or move among them with the arrow keys, to read it in full."
)
Row = tuple[str, str]  # measure, part
Column = tuple[str, str]  # a pair of towers, what identifies it


def films(measured: Sequence[FilmTowers]) -> str:
    """Return the table; nothing where nothing was measured."""
    at = _placed(measured)
    if not at:
        return ""
    columns = sorted(dict.fromkeys(column for _, column in at), key=lambda column: column == IMAGENET)
    heads = "".join(f'<th scope="col">{escape(name)}<small>{escape(about)}</small></th>' for name, about in columns)
    ends = "".join(f'<th scope="col">{name}</th>' for name in ("floor", "chance", "films", "patients"))
    head = f'<tr><th class="name" scope="col">Measure</th>{heads}{ends}</tr>'
    body = "".join(_row([at.get((row, column)) for column in columns]) for row in _in_order(at))
    about = f"{ABOUT} {measured[0].reports:,} reports, {measured[0].split} split."
    return (
        f'<section class="here films"><h2>Films, measured here</h2><p class="about">{escape(about)}</p>'
        f'{table(head, body)}<p class="said" data-rest="{escape(LEGEND)}">{escape(LEGEND)}</p></section>'
    )


def _placed(measured: Sequence[FilmTowers]) -> dict[tuple[Row, Column], FilmFigure]:
    """Return figures by their place in the table; those of ImageNet's features, beside every pair, stand once."""
    placed: dict[tuple[Row, Column], FilmFigure] = {}
    for towers in measured:
        about = " · ".join(filter(None, (towers.precision, towers.revision[:CHECKPOINT])))
        for one in towers.figures:
            measure = one.figure.measure.removesuffix(OF_IMAGENET)
            column = (towers.encoder, about) if measure == one.figure.measure else IMAGENET
            placed.setdefault(((measure, one.figure.part), column), one)
    return placed


def _in_order(at: dict[tuple[Row, Column], FilmFigure]) -> list[Row]:
    """Return the rows: measures as they first come, of each all films before a part of them."""
    rows = list(dict.fromkeys(row for row, _ in at))
    measures = list(dict.fromkeys(measure for measure, _ in rows))
    return sorted(rows, key=lambda row: (measures.index(row[0]), row[1] != ALL))


def _row(figures: Sequence[FilmFigure | None]) -> str:
    first = next(one for one in figures if one is not None)
    measure, part = first.figure.measure.removesuffix(OF_IMAGENET), first.figure.part
    name, kind = (measure, "") if part == ALL else (part, ' class="part"')
    counted = f"{first.findings} findings" if first.findings else ""
    about = " · ".join(filter(None, ("all films" if part == ALL else "", counted)))
    lines = (first.figure.floor, first.figure.chance)
    ends = "".join(f"<td>{'–' if line is None else f'{line:.3f}'}</td>" for line in lines)
    return (
        f'<tr{kind}><th class="name" scope="row">{escape(name)}<small>{escape(about)}</small></th>'
        f"{''.join(map(_cell, figures))}{ends}<td>{first.films:,}</td><td>{first.figure.n:,}</td></tr>"
    )


def _cell(one: FilmFigure | None) -> str:
    if one is None:
        return "<td>–</td>"
    figure = one.figure
    part = "all films" if figure.part == ALL else figure.part
    beside = [f"{name} {line:.3f}" for name, line in (("floor", figure.floor), ("chance", figure.chance)) if line]
    findings = [f"mean over {one.findings} findings"] if one.findings else []
    facts = [f"95 % interval {interval(figure)}", f"{one.films:,} films of {figure.n:,} patients", *findings, *beside]
    words = f"{figure.encoder}, {figure.measure}, {part}: {figure.value:.3f}; {', '.join(facts)}"
    return (
        f'<td tabindex="-1" title="95 % interval {interval(figure)}" aria-label="{escape(words)}">'
        f"<b>{figure.value:.3f}</b>{whisker(figure, SCALE)}</td>"
    )
