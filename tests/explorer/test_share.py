"""Two processes, each with its share, against one that encodes everything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import BadQuery
from explorer.index import IndexKey, ReportIndex
from explorer.share import rank_and_size

KEY = IndexKey("ours", "0" * 64, "report", "toy", "report", "cosine", "r", 4)
PASSAGES = [(f"text {number}", [f"s:{number:05d}"]) for number in range(1_100)]
WORKER = """
import os, sys
from pathlib import Path
from test_share import KEY, PASSAGES, encode
from explorer.index_writing import encode_share
from explorer.share import rank_and_size
asked = []
encode_share(KEY, PASSAGES, lambda texts: asked.extend(texts) or encode(texts), Path(sys.argv[1]),
             rank_and_size(os.environ), lambda done: None)
print(len(asked))
"""


def encode(texts):
    return np.array([np.random.default_rng(int(text.split()[1])).normal(size=4) for text in texts], np.float32)


def worker(folder: Path, rank: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    paths = os.pathsep.join((str(root), str(Path(__file__).parent)))
    told = os.environ | {"RANK": str(rank), "WORLD_SIZE": "2", "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], env=told, stdout=subprocess.PIPE, text=True)


def test_two_processes_share_a_corpus_and_the_index_is_that_of_one(tmp_path):
    both = [worker(tmp_path / "kept", rank) for rank in (0, 1)]
    assert [int(one.communicate(timeout=60)[0]) for one in both] == [256 + 256 + 76, 256 + 256]

    def refuse(texts):
        raise AssertionError("a share was encoded again")

    def untold(done, total):
        pass

    shared = ReportIndex.build(
        tmp_path / "shared", KEY, PASSAGES, len(PASSAGES), refuse, untold, resume=tmp_path / "kept"
    )
    alone = ReportIndex.build(tmp_path / "alone", KEY, PASSAGES, len(PASSAGES), encode, untold)
    assert np.array_equal(shared.vectors, alone.vectors)
    assert shared.studies == alone.studies

    again = worker(tmp_path / "kept", 1)  # a worker that is started again has nothing left to do
    assert int(again.communicate(timeout=60)[0]) == 0


def test_which_share_it_is_is_said_as_torchrun_says_it():
    assert rank_and_size({}) == (0, 1)
    assert rank_and_size({"RANK": "3", "WORLD_SIZE": "4"}) == (3, 4)
    for wrong in ({"RANK": "4", "WORLD_SIZE": "4"}, {"RANK": "x", "WORLD_SIZE": "4"}, {"RANK": "1"}):
        with pytest.raises(BadQuery, match="torchrun"):
            rank_and_size(wrong)
