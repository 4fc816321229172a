"""The error lab: nine errors in an impression, the margin of every encoder, and which kinds each one misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.choices import WORDS
from explorer.error_lab import TIE, Corrupted, Noticed
from explorer.language.error_injection import CATEGORIES, Category
from explorer.ui.render import escape

COSINE, BM25 = "cosine", "BM25"
STUDIES = (50, 100, 200, 400)
ABOUT = (
    "The findings of a study should be nearer to its true impression than to the same impression with one error. The "
    "margin is the difference of the two scores: above 0 the encoder noticed. Nothing else is changed. Scores are "
    "cosines; for bm25, which has no vectors, BM25 of the words among impressions of the corpus. Their sizes are not "
    "alike, so each column has a scale of its own: compare signs across columns, sizes within one."
)
MISSED = "Which errors each encoder misses"
UNMEASURED = "Not measured yet. Chance is 50 %: an encoder that notices nothing is right half the time."


@dataclass(frozen=True)
class Strip:
    """What was measured over the corpus."""

    corpus: str
    studies: int
    seed: int
    noticed: tuple[Noticed, ...]


@dataclass(frozen=True)
class Bench:
    """What lies on the table."""

    study: str  # "" for a text of the person's own
    findings: str
    impression: str
    errors: tuple[Corrupted, ...]
    encoders: tuple[tuple[str, str], ...]  # name and label of those that can be asked
    chosen: tuple[str, ...]
    margins: Mapping[str, Mapping[Category, float]]  # encoder → category → margin; {} before they were asked
    strip: Strip | None


def lab(bench: Bench) -> str:
    """Return the whole screen."""
    return (
        f'<div class="lab">{_texts(bench)}<section class="errors"><h2>Nine errors</h2><p class="about">{ABOUT}</p>'
        f"{_errors(bench)}</section>{_strip(bench)}</div>"
    )


def _texts(bench: Bench) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="encoder" value="{escape(name)}"'
        f"{' checked' if name in bench.chosen else ''}> {escape(label)}</label>"
        for name, label in bench.encoders
    )
    sizes = "".join(f"<option{' selected' if size == 100 else ''}>{size}</option>" for size in STUDIES)
    return (
        '<form data-form="lab"><div class="does start"><button type="button" class="plain" data-do="leave">'
        "‹ All reviews</button><h2>Error lab</h2></div>"
        '<label>Findings: the query<textarea name="findings" rows="7" maxlength="4000">'
        f"{escape(bench.findings)}</textarea></label>"
        f'<label>Impression: the true text<textarea name="impression" rows="4" maxlength="4000">'
        f'{escape(bench.impression)}</textarea></label><input type="hidden" name="study" value="{escape(bench.study)}">'
        '<div class="row"><button type="button" class="plain" data-do="another">Another study</button>'
        '<button type="button" class="plain" data-do="inject">Inject errors</button></div>'
        f'<fieldset class="models"><legend>Encoders</legend>{boxes}</fieldset>'
        '<div class="row"><button type="submit" class="go" name="how" value="margins">Ask the encoders</button></div>'
        f'<div class="row"><label>Studies <select name="studies" autocomplete="off">{sizes}</select></label>'
        '<button type="submit" class="go" name="how" value="strip">Measure over the corpus</button>'
        '<button type="button" class="plain" data-do="stop" hidden>Stop</button></div></form>'
    )


def _errors(bench: Bench) -> str:
    at = {one.category: one for one in bench.errors}
    names = list(bench.margins)
    most = {name: max((abs(margin) for margin in bench.margins[name].values()), default=0.0) or 1.0 for name in names}
    heads = "".join(
        f'<th scope="col">{escape(name)}<small>{BM25 if name == WORDS else COSINE}</small></th>' for name in names
    )
    rows = "".join(
        _row(category, at.get(category), [(bench.margins[name].get(category), most[name]) for name in names])
        for category in CATEGORIES
    )
    return (
        f'<div class="wide"><table><thead><tr><th scope="col">error</th><th scope="col">sentence</th>{heads}'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(category: Category, one: Corrupted | None, margins: Sequence[tuple[float | None, float]]) -> str:
    """A row; of each encoder its margin, and the largest of its column."""
    if one is None:
        cells = '<td class="said"><i>does not apply to this impression</i></td>' + "<td>–</td>" * len(margins)
    else:
        cells = f'<td class="said">{_sentence(one)}</td>' + "".join(_margin(margin, most) for margin, most in margins)
    return f'<tr><th scope="row">{escape(category)}</th>{cells}</tr>'


def _sentence(one: Corrupted) -> str:
    before = f"<del>{escape(one.before)}</del>" if one.before else ""
    told = (one.after[: one.start], one.after[one.start : one.end], one.after[one.end :])
    return f"{before}<ins>{escape(told[0])}<mark>{escape(told[1])}</mark>{escape(told[2])}</ins>"


def _margin(margin: float | None, most: float) -> str:
    if margin is None:
        return "<td>–</td>"
    share = 50 * abs(margin) / most
    left = 50 if margin >= 0 else 50 - share
    sign, words = ("–", "tied") if abs(margin) <= TIE else ("✓", "noticed") if margin > 0 else ("✗", "missed")
    return (
        f'<td class="margin {words}"><span class="sign" aria-label="{words}">{sign}</span> {_signed(margin)}'
        f'<svg aria-hidden="true"><line class="track" x1="0" x2="100%" y1="4" y2="4"/>'
        f'<rect x="{left:.2f}%" width="{max(share, 0.8):.2f}%" y="1" height="6"/>'
        '<line class="zero" x1="50%" x2="50%" y1="0" y2="8"/></svg></td>'
    )


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _strip(bench: Bench) -> str:
    if bench.strip is None:
        return f'<section class="strip"><h2>{MISSED}</h2><p class="about">{UNMEASURED}</p></section>'
    found = bench.strip
    at = {(one.encoder, one.category): one for one in found.noticed}
    names = list(dict.fromkeys(one.encoder for one in found.noticed))
    counts = {one.category: one.interval.n for one in found.noticed}
    heads = "".join(f'<th scope="col">{escape(one)}<small>n {counts.get(one, 0)}</small></th>' for one in CATEGORIES)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(_share(at.get((name, one))) for one in CATEGORIES)}</tr>'
        for name in names
    )
    return (
        f'<section class="strip"><h2>{MISSED}</h2><p class="about">Share of errors noticed over '
        f"{found.studies} studies of {escape(found.corpus)}, seed {found.seed}; n counts errors; in brackets the 95 % "
        "bootstrap interval over errors; chance 50 %. Bar: how far from chance. The true impression is often a common "
        "text, which some encoders favour whatever is asked: see Task 3 on Results for the floor.</p>"
        f'<div class="wide"><table><thead><tr><th scope="col">encoder</th>{heads}</tr></thead><tbody>{rows}</tbody>'
        "</table></div></section>"
    )


def _share(one: Noticed | None) -> str:
    if one is None:
        return "<td>–</td>"
    its = one.interval
    kind = "noticed" if its.low > 0.5 else "missed" if its.high < 0.5 else "unsure"
    level = float(np.clip(its.mean, 0, 1)) * 100
    left, width = min(level, 50), abs(level - 50)
    return (
        f'<td class="share {kind}">{its.mean:.0%} <small>({its.low:.0%} – {its.high:.0%})</small>'
        f'<svg aria-hidden="true"><line class="track" x1="0" x2="100%" y1="4" y2="4"/>'
        f'<rect x="{left:.1f}%" width="{max(width, 0.8):.1f}%" y="1" height="6"/>'
        '<line class="zero" x1="50%" x2="50%" y1="0" y2="8"/></svg></td>'
    )
