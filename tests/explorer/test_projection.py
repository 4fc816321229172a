from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from explorer import projection
from explorer.errors import BadQuery, Damaged, NotPrepared, StoreError
from explorer.index import IndexKey
from explorer.projecting import grouped, sample_rows, spread_out
from explorer.projection import MapKey, Maps, MapSettings

KEY = MapKey(IndexKey("made-up", "0" * 64, "report", "toy", "report", "cosine", "r1", 4), MapSettings())
# Stands in for the real process: writes what that one would, without loading UMAP for seconds.
QUICK = """
import json, sys, time; import numpy as np; from pathlib import Path
folder = Path(sys.argv[2]); vectors = np.load(folder / "vectors.npy"); n = len(vectors)
print("0.500 Laying out", flush=True); print("a library says something", flush=True)
{extra}
np.save(folder / "places.npy", vectors[:, :2].copy()); np.save(folder / "clusters.npy", np.zeros(n, np.int16))
kept = dict(kept=0.5, chance=0.1, trustworthiness=0.9, nearest=2, probed=n, points=n)
(folder / "answer.json").write_text(json.dumps(dict(preservation=kept, fitted=n, seconds=0.1)))
"""


@pytest.fixture
def maps(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "_START", QUICK.format(extra=""))
    return Maps(tmp_path)


def vectors(n=8):
    return np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)


@pytest.mark.parametrize("wrong", [{"neighbours": 14}, {"spread": 0.2}, {"clusters": 1}])
def test_settings_that_are_not_offered_are_refused(wrong):
    with pytest.raises(BadQuery, match="15"):
        MapSettings(**wrong)


def test_a_map_is_made_once_and_opened_again(maps):
    told = []
    made = maps.make(KEY, vectors(), lambda what, share: told.append((what, share)))
    opened = maps.open(KEY)
    assert told[0] == ("Starting", 0.0)
    assert told[-1] == ("Laying out", 0.5)
    assert all(what in ("Starting", "Laying out") for what, _ in told)
    assert opened.key == KEY
    assert np.array_equal(opened.places, made.places)
    assert np.linalg.norm(vectors(), axis=1) != pytest.approx(np.ones(8))
    assert made.places == pytest.approx(vectors()[:, :2] / np.linalg.norm(vectors(), axis=1)[:, None], abs=1e-6)
    assert opened.preservation.kept == 0.5


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, settings=MapSettings(neighbours=50)),
        replace(KEY, settings=MapSettings(seed=1)),
        replace(KEY, index=replace(KEY.index, revision="r2")),
        replace(KEY, films="f" * 64),
        replace(KEY, centred=True),
    ],
)
def test_a_map_belongs_to_its_vectors_and_settings_and_to_no_others(maps, other):
    maps.make(KEY, vectors())
    with pytest.raises(NotPrepared):
        maps.open(other)


def test_only_numbers_and_a_manifest_are_kept(maps, tmp_path):
    maps.make(KEY, vectors())
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"manifest.json", "lock", "places.npy", "clusters.npy"}


def test_a_damaged_map_is_noticed(maps, tmp_path):
    maps.make(KEY, vectors())
    [places] = tmp_path.rglob("places.npy")
    places.write_bytes(places.read_bytes()[:-1] + b"?")
    with pytest.raises(Damaged):
        maps.open(KEY)


def test_maps_of_an_earlier_state_of_the_corpus_are_removed(maps):
    earlier = replace(KEY, index=replace(KEY.index, corpus_sha256="1" * 64))
    another = replace(KEY, index=replace(KEY.index, corpus="made-up-2"))
    for key in (earlier, another, KEY):
        maps.make(key, vectors())
    with pytest.raises(NotPrepared):
        maps.open(earlier)
    assert maps.open(another).key == another
    maps.drop("made-up")
    assert maps.open(another).key == another
    with pytest.raises(NotPrepared):
        maps.open(KEY)


def test_fewer_than_five_texts_are_no_map(maps):
    with pytest.raises(BadQuery, match="at least 5"):
        maps.make(KEY, vectors(4))


class Stopped(Exception):
    pass


def test_a_map_that_is_stopped_ends_at_once_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "_START", QUICK.format(extra="time.sleep(60)"))

    told = []

    def stop(what, share):
        told.append(what)
        if told.count("Laying out") == 3:  # the child says it once and then nothing more
            raise Stopped

    with pytest.raises(Stopped):
        Maps(tmp_path).make(KEY, vectors(), stop)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_a_process_that_dies_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "_START", QUICK.format(extra="sys.exit(3)"))
    with pytest.raises(StoreError, match="draw it again"):
        Maps(tmp_path).make(KEY, vectors())
    with pytest.raises(NotPrepared):
        Maps(tmp_path).open(KEY)


def test_a_sample_is_all_there_is_or_drawn_by_the_seed():
    assert sample_rows(4, 10, 0).tolist() == [0, 1, 2, 3]
    drawn = sample_rows(1_000, 10, 7)
    assert len(set(drawn.tolist())) == 10
    assert np.array_equal(drawn, np.sort(drawn))
    assert np.array_equal(drawn, sample_rows(1_000, 10, 7))
    assert not np.array_equal(drawn, sample_rows(1_000, 10, 8))


def test_points_that_were_not_laid_out_lie_between_their_neighbours():
    arc = np.radians(np.arange(40))
    points = np.stack((np.cos(arc), np.sin(arc)), axis=1).astype(np.float32)
    sample = np.arange(0, 40, 2)
    placed = np.stack((sample, sample * 0), axis=1).astype(np.float32)
    places = spread_out(points, sample, placed)
    assert np.array_equal(places[sample], placed)
    assert places[21, 0] == pytest.approx(21, abs=0.2)  # in the middle, but for the odd fifteenth neighbour


@pytest.mark.slow
def test_groups_are_those_of_the_space_and_the_largest_comes_first():
    centres = np.eye(3, dtype=np.float32)
    points = np.repeat(centres, (2, 30, 10), axis=0)
    assert grouped(points, points, 3, 0).tolist() == [2] * 2 + [0] * 30 + [1] * 10


@pytest.mark.slow
def test_a_real_map_keeps_islands_apart_and_is_the_same_every_time(tmp_path):
    draw = np.random.default_rng(0)
    points = (np.repeat(np.eye(6)[:3], 40, axis=0) * 3 + draw.normal(size=(120, 6)) * 0.4).astype(np.float32)
    first = Maps(tmp_path / "a").make(KEY, points)
    again = Maps(tmp_path / "b").make(KEY, points)
    assert np.array_equal(first.places, again.places)
    assert first.preservation.kept > 2 * first.preservation.chance
    centres = first.places.reshape(3, 40, 2).mean(axis=1)
    nearest = np.linalg.norm(first.places[:, None] - centres[None], axis=2).argmin(axis=1)
    assert np.mean(nearest == np.repeat([0, 1, 2], 40)) > 0.95
    assert "umap" not in sys.modules
