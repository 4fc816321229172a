from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from explorer import files
from explorer.errors import Damaged, Foreign, NotPrepared, StoreError
from explorer.files import open_published, publish, sha256_of, write_atomically

DISK_FULL = """
import resource, sys
from pathlib import Path
from explorer.errors import StoreError
from explorer.files import publish
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    publish(Path(sys.argv[1]), "notes", {}, lambda folder: (folder / "a.txt").write_bytes(b"x" * 200_000))
except StoreError as error:
    sys.exit(str(error))
"""


def put(folder: Path, text: str, about: str = "") -> None:
    publish(folder, "notes", {"about": about}, lambda generation: write(generation, text))


def write(generation: Path, text: str) -> None:
    (generation / "a.txt").write_text(text)
    (generation / "b.txt").write_text(text.upper())


def take(folder: Path) -> tuple[str, str, str]:
    return open_published(
        folder,
        "notes",
        lambda generation, about: (
            (generation / "a.txt").read_text(),
            (generation / "b.txt").read_text(),
            about["about"],
        ),
    )


@contextmanager
def unprivileged():
    """As an ordinary user: to root no folder is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder an ordinary user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_sha256_of_the_standard_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "note"
    write_atomically(path, lambda file: file.write(b"first"))
    write_atomically(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "note"
    write_atomically(path, lambda file: file.write(b"first"))

    def breaks(file):
        file.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, breaks)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_published_is_read_back(tmp_path):
    put(tmp_path / "deep" / "folder", "one", "said of it")
    assert take(tmp_path / "deep" / "folder") == ("one", "ONE", "said of it")


def test_publishing_again_replaces_everything_and_keeps_no_old_generation(tmp_path):
    put(tmp_path, "one")
    put(tmp_path, "two")
    assert take(tmp_path) == ("two", "TWO", "")
    assert len(list(tmp_path.glob("generation-*"))) == 1


def test_an_empty_or_absent_folder_is_not_prepared(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NotPrepared, match="python -m explorer index build"):
            take(folder)


def test_content_of_another_kind_is_foreign(tmp_path):
    put(tmp_path, "one")
    with pytest.raises(Foreign, match="another version"):
        open_published(tmp_path, "reports", lambda generation, about: None)


def test_content_of_another_schema_is_foreign(tmp_path, monkeypatch):
    put(tmp_path, "one")
    monkeypatch.setattr(files, "SCHEMA", files.SCHEMA + 1)
    with pytest.raises(Foreign, match="another version"):
        take(tmp_path)


def test_every_changed_byte_of_every_file_is_noticed(tmp_path):
    put(tmp_path, "one")
    for path in (p for p in tmp_path.rglob("*") if p.suffix):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
            with pytest.raises(Damaged):
                take(tmp_path)
        path.write_bytes(whole)
    assert take(tmp_path)[0] == "one"


def test_every_truncation_of_every_file_is_noticed(tmp_path):
    put(tmp_path, "one")
    for path in (p for p in tmp_path.rglob("*") if p.suffix):
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            with pytest.raises(Damaged):
                take(tmp_path)
        path.write_bytes(whole)


def test_a_missing_file_is_damage_and_a_missing_manifest_is_not_prepared(tmp_path):
    put(tmp_path, "one")
    next(tmp_path.rglob("b.txt")).unlink()
    with pytest.raises(Damaged, match="damaged or incomplete"):
        take(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(NotPrepared):
        take(tmp_path)


def test_publishing_repairs_damage(tmp_path):
    put(tmp_path, "one")
    (tmp_path / "manifest.json").write_bytes(b"\x00")
    put(tmp_path, "two")
    assert take(tmp_path)[0] == "two"
    assert len(list(tmp_path.glob("generation-*"))) == 1


def test_a_writer_that_fails_leaves_the_old_content_and_nothing_else(tmp_path):
    put(tmp_path, "one")
    before = sorted(tmp_path.rglob("*"))

    def breaks(generation):
        (generation / "a.txt").write_text("half")
        raise OSError("no space left")

    with pytest.raises(StoreError, match="disk is full") as caught:
        publish(tmp_path, "notes", {}, breaks)
    assert str(tmp_path) not in str(caught.value)
    assert take(tmp_path)[0] == "one"
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    put(tmp_path, "one")
    (tmp_path / "generation-dead").mkdir()
    (tmp_path / "generation-dead" / "a.txt").write_text("half")
    (tmp_path / "manifest.json.tmp-dead").write_text("{")
    (tmp_path / "someone-elses").write_text("stays")
    put(tmp_path, "two")
    assert not (tmp_path / "generation-dead").exists()
    assert not (tmp_path / "manifest.json.tmp-dead").exists()
    assert (tmp_path / "someone-elses").read_text() == "stays"


def test_a_reader_overtaken_by_a_writer_gets_the_new_content(tmp_path):
    put(tmp_path, "one")
    newer = iter(["two"])

    def overtaken(generation, about):
        for text in newer:
            put(tmp_path, text)
        return (generation / "a.txt").read_text()

    assert open_published(tmp_path, "notes", overtaken) == "two"


def test_a_read_only_folder_can_be_read_and_refuses_writing_kindly(open_folder):
    put(open_folder, "one")
    open_folder.chmod(0o555)
    with unprivileged():
        assert take(open_folder)[0] == "one"
        with pytest.raises(StoreError, match="cannot be written"):
            put(open_folder, "two")
        with pytest.raises(StoreError, match="cannot be written"):
            put(open_folder / "new", "two")


def test_a_full_disk_is_said_kindly_and_leaves_the_old_content(tmp_path):
    put(tmp_path, "one")
    child = subprocess.run([sys.executable, "-c", DISK_FULL, tmp_path], capture_output=True, text=True)
    assert child.returncode == 1
    assert "disk is full" in child.stderr
    assert take(tmp_path)[0] == "one"
    assert len(list(tmp_path.glob("generation-*"))) == 1


@pytest.mark.fuzz
def test_no_random_damage_to_a_manifest_is_taken_for_good(tmp_path):
    put(tmp_path, "one")
    path = tmp_path / "manifest.json"
    whole = path.read_bytes()
    dice = random.Random(0)
    for _ in range(5_000):
        start = dice.randrange(len(whole))
        harmed = whole[:start] + dice.randbytes(dice.randint(0, 40)) + whole[start + dice.randint(0, 40) :]
        path.write_bytes(harmed)
        if harmed != whole:
            with pytest.raises(Damaged):
                take(tmp_path)
