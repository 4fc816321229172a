from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from explorer.errors import BadQuery, Damaged, Foreign, NotPrepared, StoreError, TowerError
from explorer.files import publish
from explorer.index import IndexKey, ReportIndex, key_of

KEY = IndexKey("toy", "ab" * 32, "report", "towerlet", "report", "cosine", "12345678" * 8, 64)
NO_DIGESTS = np.empty((0, 16), np.uint8)
SAVER = """
import sys
from pathlib import Path
import numpy as np
from explorer.index import IndexKey, ReportIndex

folder, first, times = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
passages = [(f"text {row}", [f"toy:{row}"]) for row in range(4_000)]
key = IndexKey("toy", "ab" * 32, "report", "towerlet", "report", "cosine", "12345678" * 8, 64)
print("ready", flush=True)
for value in range(first, first + times):
    encode = lambda texts: np.full((len(texts), 64), value, np.float32)
    ReportIndex.build(folder, key, passages, 4_000, encode, lambda done, total: None)
"""


def random_index(rows, dim=64, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    studies = [[f"toy:{row}"] for row in range(rows)]
    return ReportIndex(replace(KEY, dim=dim), vectors, studies, np.linspace(-1, 1, 101), NO_DIGESTS)


def by_hand(index, query, k, allowed=None):
    """Brute force: every score, then sort by score and id. Rounded, so that equal rows tie."""
    scores = (index.vectors.astype(np.float64) @ query.astype(np.float64)).round(12)
    ids = [group[0] for group in index.studies]
    order = np.lexsort((np.array(ids), -scores))
    return [ids[row] for row in order if allowed is None or ids[row] in allowed][:k]


def toy_encode(texts):
    """One-hot by first letter: easy to compute by hand."""
    return np.eye(26, 64, dtype=np.float32)[[ord(text[0].lower()) - 97 for text in texts]]


def silent(done, total):
    pass


@pytest.fixture
def build(tmp_path):
    """An index of passages, each of one or more studies, in a folder of its own."""

    def make(passages, encode=toy_encode, progress=silent, key=KEY, **how):
        folder = tmp_path / "index"
        return ReportIndex.build(folder, key, passages, len(passages), encode, progress, **how)

    return make


def one_each(texts):
    """Every text is that of one study, which has it for a name."""
    return [(text, [text]) for text in texts]


def saved(index, folder):
    """An index in a folder whose rows are those of another."""
    passages = [(f"row {row}", studies) for row, studies in enumerate(index.studies)]

    def encode(texts):
        return index.vectors[[int(text.split()[1]) for text in texts]]

    return ReportIndex.build(folder, index.key, passages, len(passages), encode, silent)


@pytest.fixture(scope="module")
def large():
    index = random_index(10_000)
    vectors = index.vectors.copy()
    vectors[5_000:5_400] = vectors[17]  # 401 rows that tie, whatever the query
    return ReportIndex(index.key, vectors, index.studies, index.quantiles, NO_DIGESTS)


def test_search_finds_what_brute_force_finds(large):
    queries = np.random.default_rng(1).normal(size=(40, 64)).astype(np.float32)
    found = large.search(queries, 20, None)
    assert [[near.id for near in hits] for hits in found] == [by_hand(large, query, 20) for query in queries]


def test_scores_are_inner_products(large):
    query = np.random.default_rng(2).normal(size=(1, 64)).astype(np.float32)
    (hits,) = large.search(query, 5, None)
    for near in hits:
        row = large.vectors[int(near.id.removeprefix("toy:"))].astype(np.float64)
        assert near.score == pytest.approx(float(row @ query[0].astype(np.float64)), abs=1e-12)


@pytest.mark.parametrize("k", [1, 10, 200, 401, 450])
def test_ties_are_in_order_of_id_also_at_the_last_place(large, k):
    query = large.vectors[17]
    (hits,) = large.search(query[None], k, None)
    assert [near.id for near in hits] == by_hand(large, query, k)
    assert hits[0].id == "toy:17"


def test_search_among_allowed_studies_is_brute_force_among_them(large):
    allowed = frozenset(f"toy:{row}" for row in range(0, 10_000, 7)) | {"toy:5001", "elsewhere:1"}
    for query in (large.vectors[17], large.vectors[3], -large.vectors[17]):
        (hits,) = large.search(query[None], 30, allowed)
        assert [near.id for near in hits] == by_hand(large, query, 30, allowed)


def test_more_than_there_are_and_none_at_all():
    index = random_index(5)
    assert [len(hits) for hits in index.search(index.vectors, 100, None)] == [5] * 5
    assert index.search(index.vectors[:1], 0, None) == [[]]
    assert index.search(index.vectors[:1], 3, frozenset()) == [[]]
    assert index.search(index.vectors[:0], 3, None) == []


def test_an_empty_index_finds_nothing(build):
    index = build([])
    assert index.search(np.ones((2, 64), np.float32), 3, None) == [[], []]
    assert index.closer_than(0.5) is None


def test_long_vectors_are_ranked_by_plain_inner_product():
    vectors = np.array([[3, 0], [0, 1], [2, 2]], np.float32)
    index = ReportIndex(replace(KEY, dim=2, score="clip_raw"), vectors, [["a"], ["b"], ["c"]], np.empty(0), NO_DIGESTS)
    (hits,) = index.search(np.array([[1, 1]], np.float32), 3, None)
    assert [(near.id, near.score) for near in hits] == [("c", 4.0), ("a", 3.0), ("b", 1.0)]


def test_a_query_that_is_not_finite_is_a_bad_query():
    for bad in (np.nan, np.inf):
        query = np.ones((1, 64), np.float32)
        query[0, 3] = bad
        with pytest.raises(BadQuery, match="no usable vector"):
            random_index(5).search(query, 3, None)


@pytest.mark.parametrize("shape", [(1, 63), (64,), (1, 64, 1)])
def test_a_query_of_another_shape_is_foreign(shape):
    with pytest.raises(Foreign, match="towerlet"):
        random_index(5).search(np.ones(shape, np.float32), 3, None)


def test_each_passage_is_encoded_once_and_stands_for_its_studies(build):
    seen = []

    def encode(texts):
        seen.extend(texts)
        return toy_encode(texts)

    index = build([("Bones intact.", ["t:10", "t:9"]), ("Clear lungs.", ["t:1", "t:2"])], encode)
    assert seen == ["Bones intact.", "Clear lungs."]
    assert index.studies == (("t:10", "t:9"), ("t:1", "t:2"))
    (hits,) = index.search(toy_encode(["c"]), 5, None)
    assert [(near.id, near.score, near.identical) for near in hits] == [
        ("t:1", 1.0, ("t:2",)),
        ("t:10", 0.0, ("t:9",)),
    ]


def test_a_text_is_named_by_the_first_study_that_may_answer(build):
    index = build([("Clear.", ["t:1", "t:2", "t:3"])])
    ((near,),) = index.search(toy_encode(["c"]), 5, frozenset({"t:3", "t:2"}))
    assert (near.id, near.identical) == ("t:2", ("t:3",))


def test_progress_is_told_and_ends_at_all(build):
    told = []
    build(one_each(f"a{number}" for number in range(600)), progress=lambda done, total: told.append((done, total)))
    assert told == [(256, 600), (512, 600), (600, 600)]


@pytest.mark.parametrize("bad", [np.full((1, 64), np.nan), np.ones((1, 63)), np.ones((2, 64)), np.ones(64)])
def test_an_encoder_that_gives_unusable_vectors_is_named(build, bad):
    with pytest.raises(TowerError, match="towerlet"):
        build(one_each(["Clear."]), lambda texts: bad.astype(np.float32))


def test_a_stopped_build_goes_on_where_it_was(build, tmp_path):
    texts = [f"{chr(97 + number % 26)} {number}" for number in range(600)]
    asked = []

    def stops(chunk):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(chunk)
        return toy_encode(chunk)

    with pytest.raises(KeyboardInterrupt):
        build(one_each(texts), stops, resume=tmp_path / "parts")
    with pytest.raises(NotPrepared):
        ReportIndex.open(tmp_path / "index", KEY)
    rest = []
    index = build(one_each(texts), lambda chunk: rest.extend(chunk) or toy_encode(chunk), resume=tmp_path / "parts")
    assert rest == texts[512:]
    np.testing.assert_array_equal(index.vectors, toy_encode(texts))


@pytest.mark.parametrize("harm", [b"", b"short", b"\x00" * (32 + 64 * 4)])
def test_a_damaged_chunk_is_encoded_again(build, tmp_path, harm):
    build(one_each(["Clear."]), resume=tmp_path)
    next(tmp_path.glob("*.chunk")).write_bytes(harm)
    np.testing.assert_array_equal(build(one_each(["Clear."]), resume=tmp_path).vectors, toy_encode(["c"]))


def test_chunks_of_another_encoder_are_not_taken(build, tmp_path):
    build(one_each(["Clear."]), resume=tmp_path)
    other = replace(KEY, revision="f" * 64)
    index = build(one_each(["Clear."]), lambda texts: toy_encode("z"), key=other, resume=tmp_path)
    np.testing.assert_array_equal(index.vectors, toy_encode(["z"]))


def test_chunks_that_cannot_be_kept_stop_nothing(build, tmp_path):
    (tmp_path / "file").touch()
    assert len(build(one_each(["Clear."]), resume=tmp_path / "file").vectors) == 1


def test_a_text_that_an_earlier_index_has_is_not_encoded_again(tmp_path):
    before = ReportIndex.build(tmp_path / "a", KEY, one_each(["Clear.", "Nodule."]), 2, toy_encode, silent)
    asked = []

    def encode(texts):
        asked.extend(texts)
        return toy_encode(texts)

    now = [("Zoster.", ["t:5"]), ("Nodule.", ["t:1", "t:6"]), ("Effusion.", ["t:7"])]
    index = ReportIndex.build(tmp_path / "b", KEY, now, 3, encode, silent, earlier=before)
    assert asked == ["Zoster.", "Effusion."]
    np.testing.assert_array_equal(index.vectors, toy_encode(["z", "n", "e"]))
    assert index.studies == (("t:5",), ("t:1", "t:6"), ("t:7",))
    assert key_of(tmp_path / "b") == KEY


def test_the_calibration_is_the_share_of_unrelated_pairs_below(build):
    # Three texts alike and one opposite: pairs score 1 (half of them) or -1 (the other half).
    signs = iter([1, 1, 1, -1])
    first = np.zeros(64, np.float32)
    first[0] = 1
    index = build(one_each("abcd"), lambda chunk: np.stack([first * next(signs) for _ in chunk]))
    assert len(index.quantiles) == 101
    assert index.closer_than(-2.0) == 0.0
    assert index.closer_than(0.0) == pytest.approx(0.5, abs=0.02)
    assert index.closer_than(1.5) == 1.0


def test_the_calibration_is_the_same_every_time_and_near_the_truth(tmp_path):
    index = random_index(500)
    built = [saved(index, tmp_path) for _ in range(2)]
    np.testing.assert_array_equal(built[0].quantiles, built[1].quantiles)
    every = (index.vectors @ index.vectors.T)[np.triu_indices(500, 1)]
    assert built[0].closer_than(float(np.quantile(every, 0.95))) == pytest.approx(0.95, abs=0.01)


def test_one_text_has_no_unrelated_pair(build):
    assert build(one_each(["Clear."])).closer_than(1.0) is None


def test_an_index_opens_as_it_was_saved(tmp_path):
    index = saved(random_index(300), tmp_path)
    opened = ReportIndex.open(tmp_path, KEY)
    np.testing.assert_array_equal(opened.vectors, index.vectors)
    np.testing.assert_array_equal(opened.quantiles, index.quantiles)
    assert (opened.key, opened.studies) == (index.key, index.studies)
    assert opened.search(index.vectors[:3], 5, None) == index.search(index.vectors[:3], 5, None)


def test_nothing_saved_is_not_prepared(tmp_path):
    with pytest.raises(NotPrepared, match="The vectors have not been prepared yet"):
        ReportIndex.open(tmp_path, KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"corpus": "other"},
        {"corpus_sha256": "cd" * 32},
        {"scope": "findings"},
        {"encoder": "rival"},
        {"space": "image"},
        {"score": "clip_raw"},
        {"revision": "f" * 64},
        {"dim": 32},
    ],
)
def test_vectors_made_for_another_key_are_foreign_and_say_who_made_them(tmp_path, change):
    saved(random_index(5), tmp_path)
    with pytest.raises(Foreign, match=r"made by encoder 'towerlet', revision 12345678.*index build"):
        ReportIndex.open(tmp_path, replace(KEY, **change))


def test_the_folder_name_is_stable_readable_and_different_for_every_key():
    other = replace(KEY, revision="f" * 64)
    assert KEY.folder_name == replace(KEY).folder_name != other.folder_name
    assert KEY.folder_name.startswith("toy-report-towerlet-report-")
    assert "/" not in replace(KEY, encoder="../../a b/" + "long" * 99).folder_name


@pytest.mark.parametrize("name", ["vectors.npy", "rows.json", "texts.npy", "manifest.json"])
def test_damage_anywhere_is_noticed_and_saving_repairs_it(tmp_path, name):
    index = random_index(50)
    saved(index, tmp_path)
    path = next(tmp_path.rglob(name))
    whole = path.read_bytes()
    dice = random.Random(0)
    for _ in range(200):
        at = dice.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ dice.randint(1, 255)]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            ReportIndex.open(tmp_path, KEY)
    for size in np.linspace(0, len(whole) - 1, 50, dtype=int):
        path.write_bytes(whole[:size])
        with pytest.raises(Damaged):
            ReportIndex.open(tmp_path, KEY)
    path.unlink()
    with pytest.raises(NotPrepared if name == "manifest.json" else Damaged):
        ReportIndex.open(tmp_path, KEY)
    saved(index, tmp_path)
    assert len(ReportIndex.open(tmp_path, KEY).vectors) == 50


GOOD = np.ones((3, 64), np.float32)


@pytest.mark.parametrize(
    ("vectors", "rows"),
    [
        (np.where(np.eye(3, 64), np.nan, GOOD).astype(np.float32), 3),
        (GOOD.astype(np.float64), 3),
        (GOOD[:, :32], 3),
        (GOOD[:2], 3),
        (GOOD[:2], 2),
        (np.array([{"pickled": 1}] * 3, dtype=object), 3),
    ],
    ids=["NaN", "float64", "narrow", "short", "other rows", "pickled"],
)
def test_vectors_that_do_not_fit_are_damage_even_where_their_sha256_is_right(tmp_path, vectors, rows):
    def write(generation):
        np.save(generation / "vectors.npy", vectors, allow_pickle=True)
        (generation / "rows.json").write_text('[["a"], ["b"], ["c"]]')

    about = {"key": vars(KEY), "rows": rows, "quantiles": []}
    publish(tmp_path, "vectors", about, write)
    with pytest.raises(Damaged):
        ReportIndex.open(tmp_path, KEY)


def test_a_folder_that_cannot_be_written_is_said_kindly(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        saved(random_index(5), tmp_path / "file")


def test_many_threads_get_what_one_gets(large):
    fresh = ReportIndex(large.key, large.vectors, large.studies, large.quantiles, NO_DIGESTS)
    queries = [large.vectors[row : row + 1] for row in range(64)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda query: fresh.search(query, 5, None), queries))
    assert together == [large.search(query, 5, None) for query in queries]


def start_saver(folder, first, times):
    saver = subprocess.Popen(
        [sys.executable, "-c", SAVER, folder, str(first), str(times)], stdout=subprocess.PIPE, text=True
    )
    assert saver.stdout.readline() == "ready\n"
    return saver


def assert_whole(folder):
    """All 4,000 rows carry the one number of the same save, and all quantiles the score of any two such rows."""
    index = ReportIndex.open(folder, KEY)
    value = index.vectors[0, 0]
    assert (index.vectors == value).all()
    assert index.quantiles == pytest.approx(np.full(101, 64.0 * float(value) ** 2))
    assert len(index.studies) == 4_000
    return int(value)


def kill_while_saving(folder, trials):
    start_saver(folder, 0, 1).wait()
    dice = random.Random(trials)
    for _ in range(trials):
        saver = start_saver(folder, 1, 1_000_000)
        time.sleep(dice.uniform(0, 0.15))
        saver.kill()
        saver.wait()
        saver.stdout.close()
        assert_whole(folder)
    saved(random_index(5), folder)
    assert len(list(folder.glob("generation-*"))) == 1
    assert not list(folder.glob("*.tmp-*"))


def test_a_killed_save_leaves_one_whole_index_and_the_next_tidies_up(tmp_path):
    kill_while_saving(tmp_path, 3)


@pytest.mark.slow
def test_no_kill_of_fifty_tears_an_index(tmp_path):
    kill_while_saving(tmp_path, 50)


def test_two_processes_saving_at_once_never_show_a_torn_index(tmp_path):
    savers = [start_saver(tmp_path, first, 15) for first in (100, 200)]
    opened = set()
    while any(saver.poll() is None for saver in savers):
        try:
            opened.add(assert_whole(tmp_path))
        except NotPrepared:
            assert not opened
    assert [saver.returncode for saver in savers] == [0, 0]
    assert assert_whole(tmp_path) in {114, 214}
    assert len(list(tmp_path.glob("generation-*"))) == 1
