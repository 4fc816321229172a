"""Intervals drawn as SVG: a whisker for a cell of a table, and one column of it as a chart. Pure functions.

Places along a line are percentages, so that a drawing fills whatever width it gets while its text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from explorer.results import Column, Figure
from explorer.ui.render import escape

ROW = 28  # pixels between two encoders
HEAD, FOOT = 36, 22  # pixels for the names of the lines above, and for the scale below
MARGIN = 3.0  # per cent left free on both sides, so that no end of a whisker is cut off
STEPS = 5  # at most so many steps on a scale


@dataclass(frozen=True)
class Scale:
    """Values → per cent of the width."""

    low: float
    high: float

    def at(self, value: float) -> str:
        """Return a place as SVG writes it."""
        share = (value - self.low) / (self.high - self.low)
        return f"{MARGIN + share * (100 - 2 * MARGIN):.2f}%"

    def ticks(self) -> tuple[float, ...]:
        """Return round values along the scale."""
        step = nice_step(self.high - self.low)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(number * step for number in range(first, last + 1))


def number(value: float, measure: str) -> str:
    """Return a figure as tables print it: ranks to a hundredth, all else to a thousandth."""
    return f"{value:.2f}" if measure == "mean rank" else f"{value:.3f}"


def interval(figure: Figure) -> str:
    """Return a 95 % interval: 0.262 – 0.329."""
    return f"{number(figure.low, figure.measure)} – {number(figure.high, figure.measure)}"


def nice_step(reach: float) -> float:
    """Return 1, 2 or 5 times a power of ten, as small as `STEPS` steps allow."""
    rough = reach / STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def scale_of(span: tuple[float, float]) -> Scale:
    """Return a scale from a round value to a round value, with the whole span on it."""
    low, high = span
    if low == high:
        return Scale(low, low + 1)
    step = nice_step(high - low)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def whisker(figure: Figure, scale: Scale) -> str:
    """Return a figure's interval as a small line with a tick at its value."""
    at = scale.at(figure.value)
    return (
        '<svg class="whisker" aria-hidden="true"><line class="track" x1="0" x2="100%" y1="4" y2="4"/>'
        f'<line class="reach" x1="{scale.at(figure.low)}" x2="{scale.at(figure.high)}" y1="4" y2="4"/>'
        f'<line class="value" x1="{at}" x2="{at}" y1="1" y2="7"/></svg>'
    )


def chart(column: Column, title: str, *, shown: bool) -> str:
    """Return a column as dots with whiskers, one line an encoder, floor and chance as thin lines across."""
    scale = scale_of(column.span)
    bottom = HEAD + ROW * len(column.figures)
    names = "".join(f"<li{best(column, one)}>{escape(one.encoder)}</li>" for one in column.figures)
    values = "".join(
        f"<li{best(column, one)}>{number(one.value, one.measure)} <small>{interval(one)}</small></li>"
        for one in column.figures
    )
    dots = "".join(_dot(column, one, scale, HEAD + ROW * (row + 0.5)) for row, one in enumerate(column.figures))
    return (
        f'<figure class="chart" data-task="{escape(column.task.task)}" data-part="{escape(column.part)}" '
        f'data-measure="{escape(column.measure)}"{"" if shown else " hidden"}><figcaption>{title}</figcaption>'
        f'<div class="plot"><ul class="names">{names}</ul>'
        f'<svg height="{bottom + FOOT}" role="img" aria-label="{escape(_in_words(column))}">'
        f"{_grid(scale, bottom)}{_lines(column, scale, bottom)}{dots}</svg>"
        f'<ul class="values">{values}</ul></div></figure>'
    )


def best(column: Column, figure: Figure) -> str:
    """Return the mark of the best figure of a column, as an attribute."""
    return ' class="best"' if column.is_best(figure) else ""


def _in_words(column: Column) -> str:
    return "; ".join(f"{one.encoder} {number(one.value, one.measure)} ({interval(one)})" for one in column.figures)


def _grid(scale: Scale, bottom: int) -> str:
    return "".join(
        f'<line class="grid" x1="{at}" x2="{at}" y1="{HEAD}" y2="{bottom}"/>'
        f'<text class="tick" x="{at}" y="{bottom + 16}">{tick:g}</text>'
        for tick, at in _placed(scale, scale.ticks())
    )


def _placed(scale: Scale, values: Iterable[float]) -> list[tuple[float, str]]:
    return [(round(value, 9), scale.at(value)) for value in values]


def _lines(column: Column, scale: Scale, bottom: int) -> str:
    return _line("floor", column.floor, column, scale, (14, bottom)) + _line(
        "chance", column.chance, column, scale, (28, bottom)
    )


def _line(name: str, value: float | None, column: Column, scale: Scale, ends: tuple[int, int]) -> str:
    """A line across all encoders, from the height of its name down: the two names have a height each."""
    if value is None:
        return ""
    at, (top, bottom) = scale.at(value), ends
    side = "after" if value < (scale.low + scale.high) / 2 else "before"
    return (
        f'<line class="{name}" x1="{at}" x2="{at}" y1="{top - 10}" y2="{bottom}"/>'
        f'<text class="{side}" x="{at}" y="{top}">{name} {number(value, column.measure)}</text>'
    )


def _dot(column: Column, figure: Figure, scale: Scale, y: float) -> str:
    low, high, value = (scale.at(end) for end in (figure.low, figure.high, figure.value))
    title = f"{figure.encoder} {number(figure.value, figure.measure)}, 95 % interval {interval(figure)}"
    return (
        f"<g{best(column, figure)}><title>{escape(title)}</title>"
        f'<line class="reach" x1="{low}" x2="{high}" y1="{y:g}" y2="{y:g}"/>'
        f'<line class="end" x1="{low}" x2="{low}" y1="{y - 4:g}" y2="{y + 4:g}"/>'
        f'<line class="end" x1="{high}" x2="{high}" y1="{y - 4:g}" y2="{y + 4:g}"/>'
        f'<circle cx="{value}" cy="{y:g}" r="4"/></g>'
    )
