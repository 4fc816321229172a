from __future__ import annotations

import re

import pytest

from explorer.results import Column, Figure, Task
from explorer.ui import chart

TASK = Task("2", "Findings → impression", "One sentence.", "findings", "impressions", 321)


def figure(encoder: str, value: float, low: float, high: float, measure: str = "recall@1", **lines: float) -> Figure:
    chance, floor = lines.get("chance"), lines.get("floor")
    return Figure("2", "all", measure, encoder, "", 672, value, low, high, chance, floor, None)


def column(*figures: Figure) -> Column:
    return Column(TASK, "all", figures[0].measure, figures)


@pytest.mark.parametrize(
    ("reach", "step"), [(1.0, 0.2), (0.36, 0.1), (0.09, 0.02), (4.0, 1.0), (5.0, 1.0), (5.1, 2.0), (0.5, 0.1)]
)
def test_a_step_is_a_round_number(reach, step):
    assert chart.nice_step(reach) == pytest.approx(step)


@pytest.mark.parametrize(
    ("span", "ends", "ticks"),
    [
        ((0.0, 0.329), (0.0, 0.4), (0.0, 0.1, 0.2, 0.3, 0.4)),
        ((0.0, 1.0), (0.0, 1.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ((-0.02, 0.05), (-0.02, 0.06), (-0.02, 0.0, 0.02, 0.04, 0.06)),
        ((0.0, 0.0), (0.0, 1.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_a_scale_holds_its_span_between_round_values(span, ends, ticks):
    scale = chart.scale_of(span)
    assert (scale.low, scale.high) == pytest.approx(ends)
    assert scale.ticks() == pytest.approx(ticks)


def test_values_become_places_inside_the_margins():
    scale = chart.Scale(0.0, 0.4)
    assert [scale.at(value) for value in (0.0, 0.1, 0.4)] == ["3.00%", "26.50%", "97.00%"]


def test_a_whisker_runs_from_bound_to_bound_with_its_tick_at_the_value():
    drawn = chart.whisker(figure("pocket", 0.2, 0.1, 0.4), chart.Scale(0.0, 0.4))
    assert '<line class="reach" x1="26.50%" x2="97.00%"' in drawn
    assert '<line class="value" x1="50.00%" x2="50.00%"' in drawn


def test_ranks_have_two_digits_and_all_else_three():
    assert chart.number(1.2345, "mean rank") == "1.23"
    assert chart.number(0.29318, "recall@1") == "0.293"
    assert chart.interval(figure("pocket", 0.293, 0.2619, 0.3289)) == "0.262 – 0.329"


def test_a_chart_has_a_dot_for_each_encoder_and_thin_lines_for_floor_and_chance():
    pocket, minilm = (figure(name, value, value - 0.03, value + 0.03, chance=0.003, floor=0.094) for name, value in
                      (("pocket", 0.29), ("minilm", 0.06)))  # fmt: skip
    drawn = chart.chart(column(pocket, minilm), "title", shown=True)
    assert drawn.count("<circle") == 2
    assert drawn.count('class="chance"') == drawn.count('class="floor"') == 1
    assert "chance 0.003" in drawn
    assert "floor 0.094" in drawn
    assert re.findall(r'<li class="best">([a-z]+)', drawn) == ["pocket"]
    assert "0.290 <small>0.260 – 0.320</small>" in drawn
    assert 'aria-label="pocket 0.290 (0.260 – 0.320); minilm 0.060 (0.030 – 0.090)"' in drawn


def test_without_floor_and_chance_there_is_no_line():
    drawn = chart.chart(column(figure("pocket", 0.29, 0.26, 0.32)), "title", shown=False)
    assert 'class="chance"' not in drawn
    assert 'class="floor"' not in drawn
    assert 'data-measure="recall@1" hidden>' in drawn
