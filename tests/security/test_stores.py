"""Everything prepared on a disk that fails: damage is always noticed, the way out is always named, and never is an
answer wrong."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from house import CHOICES, Towers, reports

from explorer.corpora.base import Corpus
from explorer.errors import Damaged, NotPrepared, StoreError
from explorer.index import ReportIndex
from explorer.indexes import Indexes
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.store import ReportStore

ROOT = Path(__file__).parents[2]
QUESTIONS = ("effusion", "small nodule", "clear")
CORPUS = Corpus("ours", "Ours", "CC0", "made for these tests", "0" * 64, reports())

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path[:0] = ["tests/security"]
from test_stores import answers, build
from explorer.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
folder = Path(sys.argv[1])
try:
    build(folder)
    answers(folder)
except StoreError as error:
    print(f"{type(error).__name__}: {error}")
else:
    print("saved")
"""
KILLED_CHECKPOINTS = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from models.checkpoint import TENSORS, open_checkpoint, save_checkpoint
from models.interfaces import WeightsDamaged
folder, trials = Path(sys.argv[1]), int(sys.argv[2])
def save(value):
    save_checkpoint(folder, {"weight": torch.full((1_000, 1_000), float(value))}, {"value": value})
save(0)
whole = damaged = 0
for trial in range(1, trials + 1):
    child = os.fork()
    if child == 0:
        value = 0
        while True:
            save(value := value + 1)
    time.sleep(random.uniform(0.005, 0.08))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        opened = open_checkpoint(folder)
    except WeightsDamaged:  # weights of one save and the manifest of another: said, never used
        damaged += 1
        save(0)
        continue
    values = opened.tensors()["weight"].unique().tolist()
    assert values == [opened.manifest["value"]], (values, opened.manifest["value"])
    whole += 1
save(0)
print(whole, damaged, len([path for path in folder.iterdir() if path.name not in ("manifest.json", TENSORS)]))
"""


def settings(folder):
    return Settings(corpus="ours", encoder="pocket", cache=folder, data=folder / "data")


def build(folder):
    ReportStore.build(folder / "corpora" / "ours", CORPUS)


def answers(folder):
    """What a fresh process answers from what is prepared: ids and scores."""
    store = ReportStore.open(folder / "corpora" / "ours")
    explorer = Explorer(settings(folder), store, Towers(), CHOICES)
    try:
        return [
            [(hit.report.id, hit.score, hit.report.sections) for hit in found.hits]
            for asked in QUESTIONS
            for found in (explorer.by_text(asked, encoder="pocket", k=5), explorer.by_text(asked, encoder="bm25", k=5))
        ]
    finally:
        explorer.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    build(folder)
    return folder, answers(folder)


@pytest.fixture
def prepared(whole, tmp_path):
    """A copy to damage, the answers it must give, and its files."""
    folder = tmp_path / "cache"
    shutil.copytree(whole[0], folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "changing"))
    assert {"manifest.json", "vectors.npy"} <= {path.name for path in files}
    return folder, whole[1], files


def open_everything(folder):
    """What a fresh process does before it answers, without the lexicons, which cost more than all the rest."""
    store = ReportStore.open(folder / "corpora" / "ours")
    for path, key in Indexes(folder).of(store.info.name).items():
        ReportIndex.open(path, key)


def judge(folder, right):
    """Return whether damage was said; an answer, if there is one, must be the right one."""
    try:
        open_everything(folder)
        assert answers(folder) == right
    except StoreError as error:
        assert "index build" in str(error)
        return True
    return False


def damage_every_file(prepared, cuts, flips):
    folder, right, files = prepared
    dice, tried, said = random.Random(0), 0, 0
    for path in files:
        content = path.read_bytes()
        sizes = {len(content) * cut // cuts for cut in range(cuts)}
        places = [dice.randrange(len(content)) for _ in range(flips)]
        harms = [content[:size] for size in sorted(sizes)]
        harms += [content[:at] + bytes([content[at] ^ dice.randint(1, 255)]) + content[at + 1 :] for at in places]
        for harm in harms:
            path.write_bytes(harm)
            tried += 1
            said += judge(folder, right)
        path.write_bytes(content)
    return tried, said


def test_a_few_damages_of_every_prepared_file_are_all_noticed(prepared):
    tried, said = damage_every_file(prepared, cuts=2, flips=2)
    assert said == tried >= 20


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_fifty_cuts_and_two_hundred_flips_of_every_prepared_file_are_all_noticed(prepared, record_property):
    tried, said = damage_every_file(prepared, cuts=50, flips=200)
    record_property("faults", tried)
    assert said == tried >= 1_000


def test_every_file_that_is_deleted_is_missed_and_building_again_repairs_it(prepared):
    folder, right, files = prepared
    for path in files:
        content = path.read_bytes()
        path.unlink()
        manifest_of_vectors = path.name == "manifest.json" and "indexes" in path.parts
        if manifest_of_vectors:  # then they were never prepared, and are made
            assert answers(folder) == right
        else:
            assert judge(folder, right)
            path.write_bytes(content)
    build(folder)
    assert answers(folder) == right


def test_vectors_of_another_revision_are_made_anew_and_not_searched(prepared):
    folder, right, _ = prepared
    towers = Towers()
    towers.texts.info = replace(towers.texts.info, revision="another")
    towers.texts.encode = lambda texts, instruction="": 1 - Towers().texts.encode(texts)
    explorer = Explorer(settings(folder), ReportStore.open(folder / "corpora" / "ours"), towers, CHOICES)
    with_other = [hit.score for hit in explorer.by_text("effusion", encoder="pocket", k=5).hits]
    explorer.close()
    assert with_other != [score for _, score, _ in right[0]]
    assert answers(folder) == right


@pytest.mark.parametrize("room", [0, 100, 4_096, 20_000])
def test_a_disk_that_is_full_is_said_and_what_was_there_stays(whole, tmp_path, room):
    folder = tmp_path / "cache"
    shutil.copytree(whole[0], folder)
    said = run(FULL_DISK, folder, room)
    assert said.startswith("StoreError: The ")
    assert "Make room" in said
    assert answers(folder) == whole[1]
    assert not list(folder.rglob("*.tmp-*"))


def test_nothing_prepared_is_told_from_damage(tmp_path):
    with pytest.raises(NotPrepared):
        answers(tmp_path)
    build(tmp_path)
    next(tmp_path.rglob("generation-*/*")).write_bytes(b"")
    with pytest.raises(Damaged):
        answers(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_no_kill_of_fifty_tears_a_checkpoint(tmp_path, record_property):
    whole, damaged, left = map(int, run(KILLED_CHECKPOINTS, tmp_path / "tower", 50).split())
    record_property("faults", whole + damaged)
    assert whole + damaged == 50
    assert left == 0, "a whole save removes what killed ones left"


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
