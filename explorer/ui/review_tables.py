"""What a review adds up to, as HTML for the page and for paper. Here the models are named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from explorer.results import SURE, Figure
from explorer.review import summary as summaries
from explorer.review.agreement import Agreement
from explorer.review.statistics import ALL, HUMAN, JUDGES, Standing
from explorer.review.summary import Row, Summary
from explorer.ui.chart import Scale, whisker
from explorer.ui.render import escape

NO_BALLOT = "Nobody has submitted a case yet."
ABOUT = (
    "Rank 1 is best; ties share a rank and the next one counts on (1, 2, 2, 4). #1: cases in which no model was ahead, "
    "ties counting for each. Human, judge and overall figures are plain means of the raters’ means, as in the paper’s "
    "Table 6. Bars: 95 % bootstrap intervals over cases."
)
TITLES = {HUMAN: "Reviewers", JUDGES: "Judges", ALL: "Reviewers and judges"}
EXPORTS = (
    ("ratings", "every ballot, CSV"),
    ("table", "the table of raters, CSV"),
    ("json", "everything, JSON"),
    ("key", "blinding key, CSV"),
    ("print", "summary to print, HTML"),
)
PAPER = """
body { max-width: 60rem; margin: 2rem auto; color: #000; background: #fff; font: 10pt/1.45 system-ui, sans-serif; }
h1 { font-size: 15pt; } h2 { margin-top: 1.5rem; font-size: 12pt; }
table { border-collapse: collapse; } caption { text-align: left; font-style: italic; }
th, td { padding: 2pt 8pt 2pt 0; border-bottom: 0.5pt solid #888; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
.whisker { display: block; width: 120pt; height: 8px; margin-left: auto; overflow: visible; }
.whisker .track { stroke: #bbb; } .whisker .reach { stroke: #666; stroke-width: 3; }
.whisker .value { stroke: #000; stroke-width: 2; }
@media print { body { max-width: none; margin: 0; } tr { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""


def results(found: Summary, *, judges: str, door: bool) -> str:
    """Return the results on the page, with the exports; `judges` is the section that asks judges, "" for none."""
    key = f'data-review="{escape(found.review.id)}"'
    exports = "".join(
        f'<button type="button" class="plain" data-do="export" data-kind="{kind}" {key}>{words}</button>'
        for kind, words in EXPORTS
    )
    people = "" if door else _people(found)
    return (
        f'<div class="sheet results"><section><h2>{escape(found.review.title)}</h2>'
        f'<p class="about">{escape(about(found))}</p><div class="does start">'
        f'<button type="button" class="plain" data-do="leave">‹ All reviews</button>{exports}</div>'
        f"{body(found)}</section>{judges}{people}</div>"
    )


def printable(found: Summary) -> str:
    """Return a whole HTML document to print, needing nothing else."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(found.review.title)}</title>'
        f"<style>{PAPER}</style></head><body><h1>{escape(found.review.title)}</h1><p>{escape(about(found))}</p>"
        f"{body(found)}<h2>Trail</h2>{_table(_trail(found))}</body></html>"
    )


def about(found: Summary) -> str:
    """Return in a line what was reviewed, and by how many."""
    review = found.review
    rule = str(review.about.get("rule", ""))
    humans = len({one.rater for one in found.cast if one.kind == "human"})
    parts = (
        f"{review.cases} cases of {review.corpus}",
        rule,
        f"seed {review.seed}",
        f"{humans} reviewer{'' if humans == 1 else 's'}",
        f"{len(found.cast)} ballots",
        f"made {review.created[:10]}",
    )
    return " · ".join(part for part in parts if part)


def body(found: Summary) -> str:
    """Return tables and figures, the same for the screen and for paper."""
    if not found.cast:
        return f'<p class="about">{NO_BALLOT}</p>'
    charts = "".join(_ranks(found, group) for group in (HUMAN, JUDGES, ALL))
    return (
        f'<p class="about">{ABOUT}</p><div class="charts">{charts}</div>'
        f"<h3>In the form of Table 6</h3>{_table(_rounded(summaries.table_6(found)))}"
        f"<h3>In the form of Table C.9</h3>{_table(_raters(found))}"
        f"<h3>Told apart</h3>{_differences(found)}<h3>Errors the reviewers marked</h3>{_errors(found)}"
        f"<h3>Agreement</h3>{_agreement(found)}"
    )


def _ranks(found: Summary, group: str) -> str:
    rows = [one for one in found.standings if one.group == group]
    if not rows or (group == ALL and not any(one.group == JUDGES for one in found.standings)):
        return ""
    top = max(2.0, max(one.interval.high for one in rows))
    lines = "".join(_standing(one, Scale(1.0, top)) for one in rows)
    return (
        f'<table class="ranking"><caption>{TITLES[group]}: mean rank</caption><thead><tr><th>model</th>'
        f"<th>mean rank</th><th>95 %</th><th>#1</th><th>cases</th></tr></thead><tbody>{lines}</tbody></table>"
    )


def _standing(one: Standing, scale: Scale) -> str:
    its = one.interval
    figure = Figure("", "", "mean rank", one.model, "", its.n, its.mean, its.low, its.high, None, None, None)
    return (
        f'<tr><th scope="row">{escape(one.model)}</th><td>{its.mean:.2f}{whisker(figure, scale)}</td>'
        f"<td>{its.low:.2f} – {its.high:.2f}</td><td>{one.first}</td><td>{its.n}</td></tr>"
    )


def _raters(found: Summary) -> list[Row]:
    """Table C.9 as the paper prints it: mean rank, first places in brackets."""
    at = {(row.rater, row.model): row for row in found.raters}
    counts = {row.rater: max(one.n for one in found.raters if one.rater == row.rater) for row in found.raters}
    rows: list[Row] = [["model", *(f"{name}, n {counts[name]}" for name in found.names)]]
    for model in found.models:
        cells = [at.get((name, model)) for name in found.names]
        rows.append([model, *("–" if one is None else f"{one.mean_rank:.2f} ({one.first})" for one in cells)])
    return rows


def _differences(found: Summary) -> str:
    if not found.differences:
        return '<p class="about">Two models that reviewers ranked on the same cases are needed.</p>'
    rows: list[Row] = [["pair", "difference in mean rank", "cases", "p", "p, Holm", ""]]
    rows += [
        [
            f"{one.model} − {one.against}",
            f"{one.difference:+.2f}".replace("-", "−"),
            one.n,
            f"{one.p:.4f}",
            f"{one.p_holm:.4f}",
            "≠ told apart" if one.p_holm < SURE else "≈ not told apart",
        ]
        for one in found.differences
    ]
    return _table(rows) + '<p class="about">Paired approximate randomisation over cases; reviewers only.</p>'


def _errors(found: Summary) -> str:
    kinds = list(dict.fromkeys(one.kind for one in found.errors))
    if not kinds:
        return '<p class="about">None yet.</p>'
    rows: list[Row] = [["model", *kinds, "critical", "answers"]]
    for model in dict.fromkeys(one.model for one in found.errors):
        its = [one for one in found.errors if one.model == model]
        counts = [f"{one.errors} ({one.errors / max(one.ballots, 1):.2f} a case)" for one in its]
        rows.append([model, *counts, sum(one.critical for one in its), its[0].ballots])
    return _table(rows)


def _agreement(found: Summary) -> str:
    rows: list[Row] = [["raters", "coefficient", "mean over cases", "95 %", "cases", "undefined"]]
    rows += [_agreed(one, "Kendall’s W, ties corrected") for one in (found.concordance,) if len(one.raters) > 1]
    rows += [_agreed(one, "tau-b") for one in (*found.pairs, *found.judges)]
    if len(rows) == 1:
        return '<p class="about">Two raters are needed.</p>'
    return _table(rows) + '<p class="about">Undefined: cases in which a rater tied all reports.</p>'


def _agreed(one: Agreement, name: str) -> Row:
    its = one.interval
    figures: Row = ("–", "–", 0)
    if its is not None:
        spread = f"{_signed(its.low)} – {_signed(its.high)}" if its.n > 1 else "–"  # one case says nothing of others
        figures = (_signed(its.mean), spread, its.n)
    return [" and ".join(one.raters), name, *figures, one.undefined]


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _people(found: Summary) -> str:
    """Who took part, with the way to delete what they left, and what happened when."""
    key = f'data-review="{escape(found.review.id)}"'
    who = "".join(
        f'<li>{escape(name)} <button type="button" class="plain" data-do="forget" data-reviewer="{escape(name)}" {key}>'
        "delete all they entered</button></li>"
        for name in found.answers
    )
    return (
        f'<section><h2>Who and when</h2><ul class="people">{who}</ul>'
        f"<details><summary>Trail of this review</summary>{_table(_trail(found))}</details></section>"
    )


def _trail(found: Summary) -> list[Row]:
    return [
        ["when (UTC)", "who", "what"],
        *([one.at[:19].replace("T", " "), one.who, one.what] for one in found.events),
    ]


def _rounded(rows: Iterable[Row]) -> list[Row]:
    return [[f"{value:.2f}" if isinstance(value, float) else value for value in row] for row in rows]


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f'<th scope="col">{escape(value)}</th>' for value in rows[0])
    lines = "".join(f'<tr><th scope="row">{escape(row[0])}</th>{"".join(map(_td, row[1:]))}</tr>' for row in rows[1:])
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _td(value: object) -> str:
    return f"<td>{'–' if value == '' else escape(value)}</td>"
