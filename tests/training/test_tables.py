from __future__ import annotations

from training.tables import readme_with, tables


def interval(mean):
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "n": 9}


def part(first):
    ranks = {"1": first, "5": first + 0.1, "10": first + 0.2}
    recall = {k: interval(value) for k, value in ranks.items()}
    return {"n": 9, "recall": recall, "floor": dict.fromkeys(ranks, 0.05), "chance": dict.fromkeys(ranks, 0.002)}


ROWS = [
    {
        "task": "2",
        "split": "test",
        "encoder": "toy",
        "revision": "0123456789",
        "precision": "bf16",
        "n_distinct": 7,
        "figures": {"all": part(0.3), "unseen": {**part(0.2), "n": 4}, "seen": part(0.5)},
    },
    {
        "task": "multimodal",
        "split": "test",
        "encoder": "toy",
        "revision": "abcdef0123",
        "precision": "fp32",
        "reports": 11,
        "figures": {
            "all": {"films": 5, "patients": 3, "precision@5": interval(0.6), "chance": 0.4, "floor": 0.5},
        },
    },
]


def test_every_figure_is_shown_with_interval_floor_and_chance():
    shown = tables(ROWS)
    assert "test split: 9 studies, 7 distinct impressions; the impression of 4 studies does not occur" in shown
    assert (
        "| toy | 0.300 (0.290–0.310) | 0.400 (0.390–0.410) | 0.500 (0.490–0.510) | 0.200 (0.190–0.210) "
        "| 0.400 (0.390–0.410) | bf16 | 01234567 |" in shown
    )
    assert "| *floor: the commonest answers* | 0.050 | 0.050 | 0.050 | 0.050 | 0.050 |  |  |" in shown
    assert "| *chance* | 0.002 | 0.002 | 0.002 | 0.002 | 0.002 |  |  |" in shown
    assert "| all | 3 | 5 | 0.600 (0.590–0.610) | 0.500 | 0.400 |" in shown


def test_only_what_stands_between_the_marks_is_replaced():
    before = "# Title\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nAfter.\n"
    once = readme_with(before, "new")
    assert once == "# Title\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nAfter.\n"
    assert readme_with(once, "new") == once
