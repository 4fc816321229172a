from __future__ import annotations

import json

from models.checkpoint import open_checkpoint
from models.registry import ASSETS
from training.cards import RESULTS, Subgroup, card

ROW = {"task": "2", "measure": "recall@1", "n": 8, "value": 0.25, "low": 0.1, "high": 0.4}
ROWS = [
    {**ROW, "encoder": "made", "part": "all", "chance": 0.125, "floor": None},
    {**ROW, "encoder": "made", "part": "all", "chance": None, "floor": 0.5, "measure": "mean margin"},
    {**ROW, "encoder": "other", "part": "all", "chance": 0.125, "floor": None, "value": 0.99},
]
STAGE = {"run": "made-run", "recipe": {"batch": 4, "loop": {"steps": 9, "seed": 1}}, "step": 6, "code": "ab" * 20}
MANIFEST = {
    "base": "a base",
    "licence": "a licence",
    "trained_on": "made-up reports",
    "tower": {"layers": 2, "attention": "causal", "pooling": "mean", "whitening": True, "depths": [1, 2]},
    "stages": [{**STAGE, "validation": {"recall": 0.5, "other": 0.25}}],
}


def test_a_card_says_what_made_the_tower_and_what_it_reaches():
    text = card("made", MANIFEST, ROWS, [Subgroup("AP film", 31, "0.200", "0.600")])
    assert "causal attention, states after layers 1, 2, pooled by mean, whitened" in text
    assert "**made-run**: batch 4, step 6 of 9, seed 1, code abababab; validation recall 0.500, other 0.250" in text
    assert "| 2 | all | recall@1 | 8 | 0.250 | 0.100–0.400 | 0.125 | – |" in text
    assert "| 2 | all | mean margin | 8 | 0.250 | 0.100–0.400 | – | 0.500 |" in text
    assert "| AP film | 31 | 0.200 | 0.600 |" in text


def test_a_stage_between_two_maps_has_its_share_in_the_card():
    between = {**STAGE, "step": 1, "recipe": {"shares": [0.0, 0.25], "batch": 4, "loop": {"steps": 0, "seed": 1}}}
    text = card("made", {**MANIFEST, "stages": [{**between, "validation": {"recall": 0.5}}]}, ROWS, [])
    assert "**made-run**: the map between those of two stages, 0.25 of the way to the later one, code abababab" in text


def test_a_card_holds_no_figure_of_another_tower():
    assert "0.990" not in card("made", MANIFEST, ROWS, [])


def test_the_shipped_tower_and_the_measured_file_make_a_card():
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    manifest = open_checkpoint(ASSETS / "pocket" / "text").manifest
    text = card("pocket", manifest, rows, [])
    assert [stage["run"] for stage in manifest["stages"]] == [
        "pocket-mntp",
        "pocket-pairs",
        "pocket",
        "pocket-joint",
        "pocket-notes",
        "pocket-average",
        "pocket-longer",
        "pocket-steady",
        "pocket-steady-map",
    ]
    assert all(f"- **{stage['run']}**: " in text for stage in manifest["stages"])
    assert "| 2 | unseen | recall@1 |" in text
