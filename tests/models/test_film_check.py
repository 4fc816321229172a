from __future__ import annotations

import numpy as np
import pytest

from models.film_check import MeasuredCheck, known_films, measure, save_known_films
from models.interfaces import EncoderInfo, FilmCheck, WeightsDamaged
from models.registry import ASSETS

INFO = EncoderInfo("toy", "image", 3, 0, "cosine", "fp32", "cpu", "r1")


class GreyAsFeatures:
    """A film's features are its first three pixels."""

    info = INFO

    def encode(self, images):
        return np.array([film.ravel()[:3] for film in images], np.float32)


def known_by_hand():
    """Two directions with variances 4 and 1 over ±2 and ±1; the third does not vary, and is lumped with the second."""
    points = np.array([[2, 0, 0], [-2, 0, 0], [2, 1, 0], [-2, 1, 0], [0, -2, 0]], np.float32)
    return measure("r1", points, np.array([[0, 0, 0], [2, 0, 0], [4, 0, 0]], np.float32), axes=1)


def test_distances_are_those_of_the_hand():
    known = known_by_hand()
    # mean (0, 0, 0); variance along x: 16 / 4 = 4; y: (1 + 1 + 4) / 4 = 1.5, spread over y and z: 0.75 each
    assert known.mean == pytest.approx([0, 0, 0], abs=1e-6)
    assert known.variances == pytest.approx([4])
    assert known.rest == pytest.approx(0.75)
    films = np.array([[4, 0, 0], [0, 3, 0], [0, 0, 3], [2, 3, 0]], np.float32)
    assert known.distances(films) == pytest.approx([16 / 4 / 3, 9 / 0.75 / 3, 9 / 0.75 / 3, (1 + 12) / 3], rel=1e-5)


def test_a_film_is_judged_by_where_held_out_films_lie():
    check = MeasuredCheck(GreyAsFeatures(), known_by_hand())  # held out: 0, 1/3, 4/3; the limit is the farthest
    assert isinstance(check, FilmCheck)
    near, far = (check.judge(np.array([[x, 0, 0]], np.uint8)) for x in (1, 5))
    assert (near.unlike, near.held_out, near.farther) == (False, 3, pytest.approx(2 / 3))
    assert (far.unlike, far.farther) == (True, 0.0)


def test_what_was_measured_is_read_as_it_was_written(tmp_path):
    known = known_by_hand()
    assert known_films(tmp_path / "none") is None
    save_known_films(tmp_path / "kept", known, {"note": "toy"})
    read = known_films(tmp_path / "kept")
    films = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(read.distances(films), known.distances(films))
    np.testing.assert_array_equal(read.held_out, known.held_out)
    assert (read.tower, read.limit) == ("r1", known.limit)


def test_damage_is_noticed(tmp_path):
    save_known_films(tmp_path, known_by_hand(), {})
    file = tmp_path / "weights.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsDamaged):
        known_films(tmp_path)


def test_what_ships_was_measured_with_the_tower_that_ships():
    from models.checkpoint import open_checkpoint

    known = known_films(ASSETS / "pocket" / "film_check")
    assert known is not None
    assert known.tower == open_checkpoint(ASSETS / "pocket" / "dual").revision, "run `python -m training.film_check`"
    about = open_checkpoint(ASSETS / "pocket" / "film_check").manifest
    assert about["held_out"] == len(known.held_out) >= 100
    sources = ("nih_cxr14", "covid_chestxray", "hannover_covid")
    chest = [about["rates"][f"frontal chest films, {source}"] for source in sources]
    assert sum(rate["cautioned"] for rate in chest) / sum(rate["n"] for rate in chest) < 0.15
    assert f"tower {known.tower[:8]}" in (ASSETS.parent / "SECURITY.md").read_text(encoding="utf-8")
    leg = about["rates"]["leg, pydicom-data"]
    assert leg["cautioned"] == leg["n"] > 0
