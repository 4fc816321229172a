from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest
from made_pairs import write_pairs

from models.checkpoint import open_checkpoint, save_checkpoint
from models.dual import DualConfig, ImageSide, TextProjection
from models.text import TowerConfig
from models.vision import VisionConfig
from training import evaluate
from training.tasks.paired import chance, same_word_ranks, within


def test_a_report_with_the_same_words_is_as_right():
    scores = np.array([[0.1, 0.9, 0.2], [0.8, 0.3, 0.4], [0.7, 0.6, 0.5]])
    assert same_word_ranks(scores, ["a", "b", "c"]).tolist() == [3, 3, 3]
    assert same_word_ranks(scores, ["a", "a", "c"]).tolist() == [1, 1, 3]


def test_chance_counts_equal_texts():
    assert chance(["a", "b", "c", "d"], 1) == pytest.approx(1 / 4)
    assert chance(["a", "a", "b"], 1) == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)
    assert chance(["a", "a", "b"], 2) == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_identity_answers_all_and_random_films_about_as_many_as_chance():
    reports = np.random.default_rng(0).normal(size=(200, 16))
    texts = [f"report {number}" for number in range(200)]
    rows = {row["measure"]: row for row in within(reports, reports / np.linalg.norm(reports, axis=1)[:, None], texts)}
    assert set(rows) == {f"{way}, R@{k}" for way in ("film → report", "report → film") for k in (1, 5, 10)}
    for row in rows.values():
        assert row["films"] == 200
        assert row["random"] == pytest.approx(row["chance"], abs=0.05)
    assert rows["report → film, R@10"]["chance"] == pytest.approx(10 / 200)
    unit = {row["measure"]: row for row in within(np.eye(20), np.eye(20), texts[:20])}
    assert all((row["value"], row["identity"]) == (1.0, 1.0) for row in unit.values())


@pytest.mark.slow
def test_the_command_measures_films_with_their_own_reports(tmp_path, monkeypatch, capsys):
    write_pairs(tmp_path)
    tower, config = TowerConfig(layers=1, max_tokens=64), DualConfig(VisionConfig("test_vit", 64), 576, 16)
    about = {"name": "toy", "backbone": "smollm2", "tower": asdict(tower), "lora_scale": 1.0}
    save_checkpoint(tmp_path / "tower" / "text", {}, about)
    parts = {"projection": TextProjection(config), "image": ImageSide(config)}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    about = {
        "dual": asdict(config),
        "note": "toy",
        "text_revision": open_checkpoint(tmp_path / "tower" / "text").revision,
    }
    save_checkpoint(tmp_path / "tower" / "dual", tensors, about)
    file = tmp_path / "found.json"
    words = f"evaluate --encoders {tmp_path}/tower --tasks multimodal --corpus table --root {tmp_path} --json {file}"
    monkeypatch.setattr(sys, "argv", [*words.split(), "--mapping", str(tmp_path / "map.toml")])
    evaluate.main()
    (row,) = json.loads(file.read_text(encoding="utf-8"))
    assert (row["reports"], row["pool"], row["split"]) == (12, 36, "test")
    measures = {one["measure"]: one for one in row["measures"]}
    assert measures["film → report, R@1"]["identity"] == 1.0
    assert "first of the pool, RuleLabel-F1" in measures
    shown = capsys.readouterr().out
    assert "film → report, R@10" in shown
    assert "12 test pairs, 12 distinct reports; the pool holds 36 reports of other patients" in shown
