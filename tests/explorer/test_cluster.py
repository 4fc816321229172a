"""The same vectors in embedded Milvus and in an exact FAISS index."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pymilvus", reason="needs requirements-cluster.txt")
pytest.importorskip("milvus_lite", reason="needs requirements-cluster.txt")

from explorer.cluster import ClusterIndex
from explorer.corpora.base import Corpus
from explorer.errors import BadQuery, Foreign, NotPrepared, StoreError
from explorer.index import IndexKey, ReportIndex
from explorer.index_cache import IndexCache
from explorer.store import ReportStore
from explorer.types import Report, StudyMeta
from models.interfaces import EncoderInfo

pytestmark = pytest.mark.slow
DIM, ROWS = 16, 600
KEY = IndexKey("ours", "0" * 64, "report", "toy", "report", "cosine", "r", DIM)
PASSAGES = [(f"text {n}", [f"s:{n:04d}", f"s:{n:04d}b"] if n % 7 == 0 else [f"s:{n:04d}"]) for n in range(ROWS)]


def encode(texts):
    """A text's vector is drawn from its number; every tenth equals the one before it, so that there are ties."""
    rows = []
    for text in texts:
        number = int(text.split()[1])
        rows.append(np.random.default_rng(number - (number % 10 == 9)).normal(size=DIM))
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def untold(done, total):
    pass


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "milvus.db")


@pytest.fixture
def cluster(address):
    index = ClusterIndex.create(address, KEY)
    index.fill(PASSAGES, ROWS, encode, untold)
    yield index
    index.close()


def test_every_answer_is_that_of_the_exact_index(cluster, tmp_path):
    exact = ReportIndex.build(tmp_path / "exact", KEY, PASSAGES, ROWS, encode, untold)
    queries = np.concatenate([encode([f"text {n}" for n in range(40)]), encode([f"text {ROWS + 5}"])])
    some = frozenset(f"s:{n:04d}" for n in range(0, ROWS, 9))
    for allowed in (None, some, frozenset({"s:0007b"}), frozenset()):
        for k in (1, 10, 50):
            assert cluster.search(queries, k, allowed) == exact.search(queries, k, allowed)
    assert cluster.vector_of("s:0007b").tolist() == exact.vector_of("s:0007b").tolist()
    with pytest.raises(BadQuery):
        cluster.search(np.full((1, DIM), np.nan, np.float32), 1, None)
    with pytest.raises(Foreign):
        cluster.search(np.zeros((1, DIM + 1), np.float32), 1, None)


def test_what_is_there_is_not_encoded_again_and_what_is_removed_is_gone(cluster):
    asked = []
    cluster.fill(
        [*PASSAGES, ("text 9000", ["s:9000"])], ROWS + 1, lambda texts: asked.extend(texts) or encode(texts), untold
    )
    assert asked == ["text 9000"]
    assert cluster.search(encode(["text 9000"]), 1, None)[0][0].id == "s:9000"
    cluster.remove(["text 9000"])
    assert cluster.search(encode(["text 9000"]), 1, None)[0][0].id != "s:9000"


def test_a_collection_is_opened_for_its_own_vectors_only(cluster, address):
    assert ClusterIndex.open(address, KEY).key == KEY
    with pytest.raises(NotPrepared):
        ClusterIndex.open(address, IndexKey(**{**vars(KEY), "revision": "another"}))


def test_a_cluster_that_does_not_answer_is_named_as_such():
    with pytest.raises(StoreError, match="does not answer"):
        ClusterIndex.open("http://127.0.0.1:9", KEY)


class Toy:
    """A tower that counts letters."""

    info = EncoderInfo("toy", "report", DIM, 64, "cosine", "fp32", "cpu", "r")

    def encode(self, texts, instruction=""):
        counts = np.array([np.bincount(np.frombuffer(text.encode(), np.uint8) % DIM, minlength=DIM) for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_the_app_finds_the_same_in_a_cluster_named_by_its_address(address, tmp_path):
    texts = [f"Effusion of {n} ml. Heart size {n % 7}." for n in range(90)]
    reports = [Report(f"s:{n:03d}", "s", {"findings": text}, (), StudyMeta(), "CC0") for n, text in enumerate(texts)]
    corpus = Corpus("ours", "Ours", "CC0", "us", "0" * 64, tuple(reports))
    store, query = ReportStore.build(tmp_path / "store", corpus), Toy().encode(["Effusion of 31 ml."])
    here, there = (
        IndexCache(tmp_path / "cache", cluster).of(store, Toy(), "report", untold) for cluster in ("", address)
    )
    assert not isinstance(there, ReportIndex)
    assert there.exact
    assert there.search(query, 10, None) == here.search(query, 10, None)
    np.testing.assert_allclose(there.centre, here.centre, atol=1e-6)
    again = IndexCache(tmp_path / "cache", address).of(store, Silent(), "report", untold)
    assert again.search(query, 3, None) == here.search(query, 3, None)


class Silent(Toy):
    """A tower that must not be asked again."""

    def encode(self, texts, instruction=""):
        raise AssertionError(texts)
