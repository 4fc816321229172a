from __future__ import annotations

import numpy as np
import pytest

from models.film_check import (
    FRONTAL,
    Kinds,
    MeasuredCheck,
    Measurements,
    describe,
    known_films,
    limit_of,
    save_known_films,
)
from models.interfaces import EncoderInfo, FilmCheck, WeightsDamaged
from models.registry import ASSETS

INFO = EncoderInfo("toy", "image", 3, 0, "cosine", "fp32", "cpu", "r1")


class GreyAsFeatures:
    """A film's features are its first three pixels."""

    info = INFO

    def encode(self, images):
        return np.array([film.ravel()[:3] for film in images], np.float32)


def cloud_by_hand():
    """Two directions with variances 4 and 1 over ±2 and ±1; the third does not vary, and is lumped with the second."""
    return describe(np.array([[2, 0, 0], [-2, 0, 0], [2, 1, 0], [-2, 1, 0], [0, -2, 0]], np.float32), axes=1)


def known_by_hand():
    """A film is lateral where its third pixel is above 1; held out are 0, 1/3 and 4/3, and the last is the limit."""
    cloud = cloud_by_hand()
    held_out = np.sort(cloud.distances(np.array([[0, 0, 0], [2, 0, 0], [4, 0, 0]], np.float32)))
    kinds = Kinds(
        (FRONTAL, "a lateral film"), np.array([[0, 0, 0], [0, 0, 1]], np.float32), np.array([1, 0], np.float32)
    )
    return Measurements("r1", cloud, kinds, held_out, limit_of(held_out))


def test_distances_are_those_of_the_hand():
    cloud = cloud_by_hand()
    # mean (0, 0, 0); variance along x: 16 / 4 = 4; y: (1 + 1 + 4) / 4 = 1.5, spread over y and z: 0.75 each
    assert cloud.mean == pytest.approx([0, 0, 0], abs=1e-6)
    assert cloud.variances == pytest.approx([4])
    assert cloud.rest == pytest.approx(0.75)
    films = np.array([[4, 0, 0], [0, 3, 0], [0, 0, 3], [2, 3, 0]], np.float32)
    assert cloud.distances(films) == pytest.approx([16 / 4 / 3, 9 / 0.75 / 3, 9 / 0.75 / 3, (1 + 12) / 3], rel=1e-5)


def test_the_limit_is_a_distance_of_a_held_out_film_that_hardly_any_pass():
    assert limit_of(np.arange(1_000, dtype=np.float32)) == 995
    assert limit_of(np.array([0.5, 1.5], np.float32)) == 1.5


def test_a_film_is_judged_by_where_held_out_films_lie():
    check = MeasuredCheck(GreyAsFeatures(), known_by_hand())
    assert isinstance(check, FilmCheck)
    near, far = (check.judge(np.array([[x, 0, 0]], np.uint8)) for x in (1, 5))
    assert (near.unlike, near.held_out, near.farther, near.kind) == (False, 3, pytest.approx(2 / 3), "")
    assert (far.unlike, far.farther, far.kind) == (True, 0.0, "")


def test_a_film_of_a_kind_that_is_known_is_named_however_near_it_lies():
    lateral = MeasuredCheck(GreyAsFeatures(), known_by_hand()).judge(np.array([[0, 0, 2]], np.uint8))
    assert (lateral.unlike, lateral.kind) == (True, "a lateral film")


def test_what_was_measured_is_read_as_it_was_written(tmp_path):
    known = known_by_hand()
    assert known_films(tmp_path / "none") is None
    save_known_films(tmp_path / "kept", known, {"note": "toy"})
    read = known_films(tmp_path / "kept")
    films = np.eye(3, dtype=np.float32) * 2
    assert read.judged(films) == known.judged(films)
    np.testing.assert_array_equal(read.cloud.distances(films), known.cloud.distances(films))
    np.testing.assert_array_equal(read.held_out, known.held_out)
    assert (read.tower, read.limit, read.kinds.names) == ("r1", known.limit, known.kinds.names)


def test_what_another_version_wrote_counts_as_not_measured(tmp_path):
    save_known_films(tmp_path, known_by_hand(), {"kind": "film check"})
    assert known_films(tmp_path) is None


def test_damage_is_noticed(tmp_path):
    save_known_films(tmp_path, known_by_hand(), {})
    file = tmp_path / "weights.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsDamaged):
        known_films(tmp_path)


def test_what_ships_was_measured_with_the_tower_that_ships():
    from models.checkpoint import digest_of_tensors, open_checkpoint
    from models.dual import image_tower

    known = known_films(ASSETS / "pocket" / "film_check")
    assert known is not None
    shipped = digest_of_tensors(image_tower(open_checkpoint(ASSETS / "pocket" / "dual")))
    assert known.tower == shipped, "run `python -m training.film_check`"
    about = open_checkpoint(ASSETS / "pocket" / "film_check").manifest
    assert len(known.held_out) >= 1_000
    sources = ("nih_cxr14", "covid_chestxray", "hannover_covid")
    assert share(about["rates"][f"frontal chest films, {source}"] for source in sources) < 0.05
    assert share(rate for kind, rate in about["rates"].items() if kind.startswith("lateral")) > 0.8
    assert share(about["rates"][f"frontal chest films, {turn}"] for turn in ("upside down", "on its side")) > 0.8
    assert f"tower {known.tower[:8]}" in (ASSETS.parent / "SECURITY.md").read_text(encoding="utf-8")
    leg = about["rates"]["leg, pydicom-data"]
    assert leg["cautioned"] == leg["n"] > 0


def share(rates):
    counted = list(rates)
    return sum(rate["cautioned"] for rate in counted) / sum(rate["n"] for rate in counted)
