"""Candidates among very many rows, on few enough rows that all can be looked at."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import coarse
from explorer.errors import Damaged
from explorer.index import IndexKey, ReportIndex

DIM = 16
NONE = np.full(2_000, -1, np.int32)
KEY = IndexKey("ours", "0" * 64, "report", "toy", "report", "cosine", "r", DIM)


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(coarse, "EXACT_UP_TO", 500)
    monkeypatch.setattr(coarse, "CHUNK", 300)


def built(folder, vectors, names=None, key=KEY, **more) -> ReportIndex:
    names = names or [f"s:{number:05d}" for number in range(len(vectors))]
    by_text = dict(zip(names, vectors, strict=True))
    passages = [(name, [name]) for name in names]
    return ReportIndex.build(
        folder,
        key,
        passages,
        len(names),
        lambda chunk: np.stack([by_text[text] for text in chunk]),
        lambda done, total: None,
        **more,
    )


def recall(index, queries, vectors, allowed=None) -> float:
    right = 0
    for query in queries:
        scores = vectors.astype(np.float64) @ query.astype(np.float64)
        rows = [row for row in np.argsort(-scores) if allowed is None or f"s:{row:05d}" in allowed][:10]
        (found,) = index.search(query[None], 10, allowed)
        right += len({near.id for near in found} & {f"s:{row:05d}" for row in rows})
    return right / (10 * len(queries))


def test_up_to_a_size_every_row_is_looked_at_and_nothing_else_is_written(tmp_path, few_are_many):
    index = built(tmp_path, unit(500, 0))
    assert index.exact
    assert not list(tmp_path.rglob("*.faiss"))


def test_above_it_nearly_all_of_the_nearest_are_found_with_exact_scores(tmp_path, few_are_many):
    vectors, queries = unit(2_000, 0), unit(20, 1)
    index = built(tmp_path, vectors)
    assert not index.exact
    assert recall(index, queries, vectors) >= 0.95
    (found,) = index.search(vectors[7:8], 1, None)
    assert found[0].id == "s:00007"
    assert found[0].score == pytest.approx(float((vectors[7].astype(np.float64) ** 2).sum()), abs=1e-12)


def test_a_filter_that_lets_one_row_in_a_hundred_through_loses_none_of_the_nearest(tmp_path, few_are_many):
    vectors, queries = unit(2_000, 0), unit(20, 1)
    index = built(tmp_path, vectors)
    allowed = frozenset(f"s:{row:05d}" for row in range(0, 2_000, 100))
    assert recall(index, queries, vectors, allowed) == 1.0
    assert {near.id for found in index.search(queries, 10, allowed) for near in found} <= allowed


def test_rows_that_stay_keep_their_cells_when_studies_are_added_and_removed(tmp_path, few_are_many, monkeypatch):
    vectors = unit(1_200, 0)
    names = [f"s:{number:05d}" for number in range(1_200)]
    first = built(tmp_path / "one", vectors[:1_000], names[:1_000])
    fitted, assigned = [], []
    monkeypatch.setattr(coarse, "fit_centres", lambda *_: fitted.append(1))
    nearest = coarse._nearest
    monkeypatch.setattr(coarse, "_nearest", lambda quantizer, new: assigned.append(len(new)) or nearest(quantizer, new))
    second = built(tmp_path / "two", vectors[100:], names[100:], earlier=first)
    assert fitted == []
    assert sum(assigned) == 200
    assert recall(second, unit(20, 1), vectors, frozenset(names[100:])) >= 0.95
    assert all(near.id not in names[:100] for near in second.search(vectors[:1], 10, None)[0])


def test_a_stopped_assignment_goes_on_where_it_was(tmp_path, few_are_many, monkeypatch):
    vectors = unit(1_000, 0)
    centres = coarse.fit_centres(vectors, 20)
    nowhere = np.full(1_000, -1, np.int32)
    whole = coarse.assign(vectors, centres, nowhere, None)
    nearest, left = coarse._nearest, [2]

    def power_cut(quantizer, new):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return nearest(quantizer, new)

    monkeypatch.setattr(coarse, "_nearest", power_cut)
    with pytest.raises(KeyboardInterrupt):
        coarse.assign(vectors, centres, nowhere, tmp_path)
    done = []
    monkeypatch.setattr(coarse, "_nearest", lambda quantizer, new: done.append(len(new)) or nearest(quantizer, new))
    assert coarse.assign(vectors, centres, nowhere, tmp_path).tolist() == whole.tolist()
    assert done == [300, 100]


def test_a_file_that_differs_in_one_byte_is_never_given_to_its_reader(tmp_path, few_are_many, monkeypatch):
    built(tmp_path, unit(1_000, 0))
    (file,) = tmp_path.rglob("*.faiss")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    read = []
    monkeypatch.setattr(coarse.CoarseIndex, "open", lambda path, cells: read.append(path))
    with pytest.raises(Damaged):
        ReportIndex.open(tmp_path, KEY)
    assert read == []


def test_an_answer_says_that_not_every_report_was_looked_at(few_are_many):
    from types import SimpleNamespace

    from explorer.answering import NOT_ALL, Answering, Question
    from explorer.language.abbreviations import Expander
    from explorer.types import Filters, Query
    from models.interfaces import EncoderInfo

    info = EncoderInfo("toy", "report", DIM, 64, "cosine", "fp32", "cpu", "r")
    store = SimpleNamespace(info=SimpleNamespace(name="ours", sha256="0"))
    asked = Question(Query(text="effusion"), store, "report", 5, Filters())
    for exact, notes in ((True, ()), (False, (NOT_ALL,))):
        ranker = SimpleNamespace(index=SimpleNamespace(exact=exact), rank=lambda query, k, filters: [])
        assert Answering(Expander.open(), 100).by_vectors(asked, [SimpleNamespace(info=info)], ranker).notes == notes


def test_a_file_of_vectors_that_ends_early_is_damage_and_no_answer(tmp_path, few_are_many):
    vectors = unit(2_000, 0)
    index = built(tmp_path, vectors)
    (file,) = tmp_path.rglob("vectors.npy")
    with file.open("r+b") as shortened:
        shortened.truncate(file.stat().st_size - vectors.nbytes)
    with pytest.raises(Damaged):
        index.search(vectors[1_999:], 5, None)


def test_how_many_cells_are_looked_into_is_measured_on_the_vectors_themselves(tmp_path, few_are_many):
    clumps = np.repeat(unit(40, 0), 50, axis=0) + 0.01 * unit(2_000, 1)
    looks = {}
    for name, vectors in (("clumps", clumps.astype(np.float32)), ("spread", unit(2_000, 2))):
        parting = coarse.Parting(
            centres := coarse.fit_centres(vectors, 60), coarse.assign(vectors, centres, NONE, None)
        )
        coarse.write_index(tmp_path / name, vectors, parting)
        looks[name] = coarse.measured_look(tmp_path / name, vectors)
        assert looks[name].recall >= coarse.WANTED
    assert looks["clumps"].cells == coarse.LOOKS[0]
    assert looks["spread"].cells > coarse.LOOKS[0]
