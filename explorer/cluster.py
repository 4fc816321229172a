"""The vectors of a corpus in a Milvus cluster, for corpora that one machine does not hold.

The same searches as `explorer.index.ReportIndex`, with the same answers: where the cluster looks at every row they are
identical, scores and ties included. An address such as "https://milvus.our-hospital:19530" names a cluster, a file name
ending in ".db" the embedded form (milvus-lite). Needs the packages in requirements-cluster.txt.

A row is known by what its text hashes to. So several machines can fill one collection at once, each its own part of
the corpus; what was stopped goes on where it was; and adding or removing reports touches no other row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.errors import BadQuery, NotPrepared, StoreError
from explorer.index import IndexKey, checked_query
from explorer.index_writing import Encode, Passage, Told, checked, digest_of
from explorer.store import Neighbour, ReportStore, nearest
from models.interfaces import Vectors

CHUNK = 256  # texts encoded and sent at once
SPARE = 16  # candidates beyond k, so that one search settles nearly every query
MOST = 16_384  # rows that Milvus returns at most
STUDIES = 4_096  # that may share one text
Kind = Literal["FLAT", "HNSW", "IVF_SQ8", "DISKANN"]


class ClusterIndex:
    """The distinct texts of a corpus in one encoder's space, in a collection of their own.

    client: a `pymilvus.MilvusClient`. key: what the vectors are made from and by.
    """

    def __init__(self, client: Any, key: IndexKey) -> None:  # noqa: ANN401 - pymilvus describes no types
        self._client = client
        self._name = collection_name(key)
        self.key = key

    @classmethod
    def create(cls, address: str, key: IndexKey, kind: Kind = "FLAT", *, token: str = "") -> ClusterIndex:
        """Open the collection of a key, and make it first if it is not there.

        kind: how the cluster searches; "FLAT" looks at every row. token: "user:password" or an API key.

        Raises:
            StoreError: the cluster cannot be reached, or pymilvus is not installed.
        """
        client = _client(address, token)
        index = cls(client, key)
        with _Reached():
            if not client.has_collection(index._name):
                client.create_collection(
                    index._name, schema=_schema(client, key), index_params=_parameters(client, kind)
                )
        return index

    @classmethod
    def open(cls, address: str, key: IndexKey, *, token: str = "") -> ClusterIndex:
        """Open the collection of a key. Raises NotPrepared, StoreError."""
        client = _client(address, token)
        with _Reached():
            name = collection_name(key)
            if not client.has_collection(name):
                raise NotPrepared("These vectors are not in the cluster yet. Fill it first, see README.")
        return cls(client, key)

    def fill(self, passages: Iterable[Passage], total: int, encode: Encode, progress: Told) -> None:
        """Encode and add each text that is not there yet, and bring the studies of the others up to date.

        passages, total: a corpus, or one machine's share of it. Raises TowerError, StoreError.
        """
        rest, done = iter(passages), 0
        while chunk := list(islice(rest, CHUNK)):
            self._add(chunk, encode)
            done += len(chunk)
            progress(done, total)
        with _Reached():
            self._client.flush(self._name)

    def remove(self, texts: Sequence[str]) -> None:
        """Remove texts that no study has any more."""
        with _Reached():
            self._client.delete(self._name, ids=[digest_of(text).hex() for text in texts])

    def search(self, vectors: Vectors, k: int, allowed: frozenset[str] | None) -> list[list[Neighbour]]:
        """Return for each query the k nearest distinct texts, as `ReportIndex.search` does, and raise as it does."""
        checked_query(self.key, vectors)
        return [self._nearest(query, k, allowed) for query in vectors]

    def closer_than(self, score: float) -> float | None:
        """Return None: which share of unrelated pairs a score is above is not known in a cluster."""
        return None

    def vector_of(self, study: str) -> Vectors:
        """Return the vector [1, dim] of a study's text. Raises BadQuery if it has none in this scope."""
        with _Reached():
            rows = self._client.query(
                self._name,
                filter=f"array_contains_any(studies, {_listed([study])})",
                output_fields=["vector"],
            )
        if not rows:
            raise BadQuery(f"This study has no {self.key.scope} text to compare. Choose another section.")
        return np.array([rows[0]["vector"]], np.float32)

    @cached_property
    def exact(self) -> bool:
        """Whether the cluster looks at every row for a query."""
        with _Reached():
            (vectors,) = self._client.list_indexes(self._name, field_name="vector")
            return bool(self._client.describe_index(self._name, vectors)["index_type"] == "FLAT")

    @cached_property
    def sample(self) -> Vectors:
        """[≤ 16,384, dim], the rows that the cluster gives first."""
        with _Reached():
            rows = self._client.query(self._name, filter="", limit=MOST, output_fields=["vector"])
        return np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), self.key.dim)

    @property
    def centre(self) -> Vectors:
        """[dim], the mean vector of the sample."""
        mean: Vectors = self.sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def count(self) -> int:
        """Return how many texts are there."""
        with _Reached():
            return int(self._client.query(self._name, filter="", output_fields=["count(*)"])[0]["count(*)"])

    def drop(self) -> None:
        """Remove the collection with all that is in it."""
        with _Reached():
            self._client.drop_collection(self._name)

    def close(self) -> None:
        """Let go of the cluster."""
        self._client.close()

    def _add(self, chunk: Sequence[Passage], encode: Encode) -> None:
        ids = [digest_of(text).hex() for text, _ in chunk]
        with _Reached():
            known = {row["text"]: row["vector"] for row in self._client.get(self._name, ids, output_fields=["vector"])}
        new = [place for place, one in enumerate(ids) if one not in known]
        if new:
            made = checked(self.key, encode([chunk[place][0] for place in new]), len(new))
            known |= {ids[place]: vector for place, vector in zip(new, made, strict=True)}
        rows = [
            {"text": one, "vector": np.asarray(known[one], np.float32), "studies": sorted(studies)[:STUDIES]}
            for one, (_, studies) in zip(ids, chunk, strict=True)
        ]
        with _Reached():
            self._client.upsert(self._name, rows)

    def _nearest(self, query: Vectors, k: int, allowed: frozenset[str] | None) -> list[Neighbour]:
        count = min(k + SPARE, MOST) if k > 0 and (allowed is None or allowed) else 0
        slack = np.finfo(np.float32).eps * self.key.dim * float(np.linalg.norm(query))
        while count:
            rough, vectors, studies = self._found(query, count, allowed)
            scores = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
            longest = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
            settled = len(rough) < count or count == MOST or rough[-1] + slack * longest < np.sort(scores)[-k]
            if settled:
                groups = ([one for one in group if allowed is None or one in allowed] for group in studies)
                return nearest(zip(scores.tolist(), groups, strict=True), k)
            count = min(2 * count, MOST)
        return []

    def _found(
        self, query: Vectors, count: int, allowed: frozenset[str] | None
    ) -> tuple[list[float], NDArray[np.float32], list[list[str]]]:
        only = "" if allowed is None else f"array_contains_any(studies, {_listed(sorted(allowed))})"
        with _Reached():
            (hits,) = self._client.search(
                self._name, data=[query.tolist()], limit=count, output_fields=["vector", "studies"], filter=only
            )
        vectors = np.array([hit["entity"]["vector"] for hit in hits], np.float32).reshape(len(hits), self.key.dim)
        return [hit["distance"] for hit in hits], vectors, [list(hit["entity"]["studies"]) for hit in hits]


def filled(address: str, key: IndexKey, store: ReportStore, encode: Encode, told: Told, *, anew: bool) -> ClusterIndex:
    """Open the vectors of a scope of a corpus in a cluster, and first add the texts that are not there yet.

    address: see the module; a password or key is taken from CXR_CLUSTER_TOKEN. anew: encode every text again.
    Raises TowerError, StoreError.
    """
    token = os.environ.get("CXR_CLUSTER_TOKEN", "")
    index = ClusterIndex.create(address, key, token=token)
    if anew:
        index.drop()
        index = ClusterIndex.create(address, key, token=token)
    total = store.passage_count(key.scope)
    if index.count() < total:
        index.fill(store.passages(key.scope), total, encode, told)
    return index


def collection_name(key: IndexKey) -> str:
    """Return a name that Milvus allows. It holds a hash of the key: other vectors have another collection."""
    return "cxr_" + key.folder_name.replace("-", "_")


def _listed(ids: Sequence[str]) -> str:
    """Return ids as Milvus writes lists: as JSON does, so that no id can end its own quotation."""
    return json.dumps(ids)


class _Reached:
    """Says what to do where the cluster does not answer."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and type(error).__name__ in ("MilvusException", "ConnectionConfigException"):
            raise StoreError(
                "The Milvus cluster does not answer, or refused this. Check its address and its log."
            ) from error


def _client(address: str, token: str) -> Any:  # noqa: ANN401
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise StoreError("A cluster needs pymilvus: `pip install -r requirements-cluster.txt`.") from error
    with _Reached():
        return MilvusClient(address, token=token)


def _schema(client: Any, key: IndexKey) -> Any:  # noqa: ANN401
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("text", DataType.VARCHAR, is_primary=True, max_length=32)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=key.dim)
    schema.add_field("studies", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=STUDIES, max_length=128)
    return schema


def _parameters(client: Any, kind: Kind) -> Any:  # noqa: ANN401
    fine: dict[str, dict[str, int]] = {"HNSW": {"M": 32, "efConstruction": 200}, "IVF_SQ8": {"nlist": 4_096}}
    parameters = client.prepare_index_params()
    parameters.add_index("vector", index_type=kind, metric_type="IP", params=fine.get(kind, {}))
    return parameters
