from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from models.checkpoint import (
    MANIFEST,
    TENSORS,
    account_for,
    digest_of,
    digest_of_tensors,
    open_checkpoint,
    read_pytorch_file,
    read_tensors,
    save_checkpoint,
    sha256_of,
    write_atomically,
)
from models.interfaces import WeightsDamaged, WeightsMissing

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5, -2.0]), "steps": torch.tensor(7)}
KILLED_BEFORE_THE_MANIFEST = """
import os, signal, sys
from pathlib import Path
import torch
from models.checkpoint import save_checkpoint

class Fatal(dict):
    def items(self):
        os.kill(os.getpid(), signal.SIGKILL)

save_checkpoint(Path(sys.argv[1]), {"a.weight": torch.ones(2, 3)}, {}, Fatal({"tokenizer.json": b"{}"}))
"""


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tmp_path / "tower", WEIGHTS, {"kind": "toy"}, {"tokenizer.json": b'{"a": 1}'})
    return tmp_path / "tower"


def flip_a_bit(file, position=-1):
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def test_tensors_and_manifest_come_back_as_saved(folder):
    opened = open_checkpoint(folder)
    tensors = opened.tensors()
    assert tensors.keys() == WEIGHTS.keys()
    assert all(torch.equal(tensors[key], value) and tensors[key].dtype == value.dtype for key, value in WEIGHTS.items())
    assert opened.manifest["kind"] == "toy"
    assert opened.manifest["files"] == {
        TENSORS: hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest(),
        "tokenizer.json": hashlib.sha256(b'{"a": 1}').hexdigest(),
    }


def test_only_the_wanted_tensors_are_read(folder):
    assert open_checkpoint(folder).tensors(lambda key: key.startswith("a.")).keys() == {"a.weight", "a.bias"}


def test_views_and_transposed_tensors_are_saved_whole(tmp_path):
    save_checkpoint(tmp_path, {"turned": torch.arange(6.0).reshape(2, 3).T}, {})
    assert open_checkpoint(tmp_path).tensors()["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_no_manifest_means_missing(tmp_path):
    with pytest.raises(WeightsMissing, match="no weights named 'tower'"):
        open_checkpoint(tmp_path / "tower")


@pytest.mark.parametrize("name", [TENSORS, "tokenizer.json"])
@pytest.mark.parametrize("position", [0, 1, -1])
def test_a_damaged_byte_is_found(folder, name, position):
    flip_a_bit(folder / name, position)
    with pytest.raises(WeightsDamaged, match=f"file {name} of the weights 'tower' is damaged"):
        open_checkpoint(folder)


@pytest.mark.parametrize("name", [TENSORS, "tokenizer.json"])
def test_an_absent_file_is_found(folder, name):
    (folder / name).unlink()
    with pytest.raises(WeightsDamaged, match=f"file {name}"):
        open_checkpoint(folder)


def test_a_file_cut_short_is_found(folder):
    content = (folder / TENSORS).read_bytes()
    (folder / TENSORS).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsDamaged):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff\xfe", b"[]", b"5", b"{}", b'{"files": null}', b'{"files": []}', b'{"files": {}}'),
        *(b'{"files": 3}', b'{"files": "weights.safetensors"}', b'{"files": {"weights.safetensors": 3}}'),
    ],
)
def test_an_unreadable_manifest_is_damage(folder, content):
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(WeightsDamaged):
        open_checkpoint(folder)


def test_messages_name_no_path(folder):
    flip_a_bit(folder / TENSORS)
    with pytest.raises(WeightsDamaged) as damaged:
        open_checkpoint(folder)
    assert str(folder.parent) not in str(damaged.value)


def test_a_save_that_stops_before_its_manifest_leaves_no_readable_weights(tmp_path):
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "new", WEIGHTS, {}, {"tokenizer.json": None})
    with pytest.raises(WeightsMissing):
        open_checkpoint(tmp_path / "new")


def test_a_stopped_save_over_older_weights_is_never_taken_for_either(folder):
    with pytest.raises(TypeError):
        save_checkpoint(folder, {"a.weight": torch.ones(2)}, {}, {"tokenizer.json": None})
    with pytest.raises(WeightsDamaged):
        open_checkpoint(folder)
    save_checkpoint(folder, {"a.weight": torch.ones(2)}, {}, {"tokenizer.json": b"{}"})
    assert open_checkpoint(folder).tensors()["a.weight"].tolist() == [1, 1]


@pytest.mark.slow
def test_a_killed_save_leaves_no_readable_weights(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_MANIFEST, tmp_path / "tower"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "tower" / TENSORS).is_file()
    with pytest.raises(WeightsMissing):
        open_checkpoint(tmp_path / "tower")


def test_a_save_leaves_no_temporary_file(folder):
    assert sorted(file.name for file in folder.iterdir()) == [MANIFEST, "tokenizer.json", TENSORS]


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path):
    (tmp_path / "kept").write_text("old")

    def write(target):
        target.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "kept", write)
    assert (tmp_path / "kept").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_nothing_is_in_place_until_it_is_whole(tmp_path):
    def write(target):
        assert not (tmp_path / "new").exists()
        target.write_text("whole")

    write_atomically(tmp_path / "new", write)
    assert (tmp_path / "new").read_text() == "whole"


def test_the_revision_follows_the_content_and_not_what_the_manifest_tells(folder, tmp_path):
    before = open_checkpoint(folder).revision
    save_checkpoint(tmp_path / "same", WEIGHTS, {"kind": "another word"}, {"tokenizer.json": b'{"a": 1}'})
    assert open_checkpoint(tmp_path / "same").revision == before
    save_checkpoint(tmp_path / "weights", {**WEIGHTS, "steps": torch.tensor(8)}, {}, {"tokenizer.json": b'{"a": 1}'})
    save_checkpoint(tmp_path / "tokens", WEIGHTS, {}, {"tokenizer.json": b'{"a": 2}'})
    assert (
        len({before, open_checkpoint(tmp_path / "weights").revision, open_checkpoint(tmp_path / "tokens").revision})
        == 3
    )


def test_digests():
    assert digest_of("ab", "c") != digest_of("a", "bc") != digest_of("abc")
    assert digest_of("a") == hashlib.sha256(b'["a"]').hexdigest()


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_damaged_safetensors_file_says_to_get_it_again(folder):
    assert read_tensors(folder / TENSORS).keys() == WEIGHTS.keys()
    (folder / TENSORS).write_bytes(b"not safetensors at all")
    with pytest.raises(WeightsDamaged, match=r"weights\.safetensors is damaged\. Fetch or install it again"):
        read_tensors(folder / TENSORS)


class Trap:
    """An object that, were it ever unpickled, would leave a file behind."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_pytorch_file_gives_tensors_and_never_runs_what_it_holds(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "plain.pth")
    assert read_pytorch_file(tmp_path / "plain.pth")["a"].tolist() == [1, 1]
    torch.save({"a": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(WeightsDamaged, match=r"trap\.pth is not a PyTorch file of plain tensors"):
        read_pytorch_file(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_a_broken_pytorch_file_is_damage_and_no_traceback(tmp_path):
    torch.save({"a": torch.ones(2000)}, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pth").write_bytes(whole[:cut])
        with pytest.raises(WeightsDamaged, match=r"cut\.pth"):
            read_pytorch_file(tmp_path / "cut.pth")


def test_weights_are_accounted_for_by_name_and_shape():
    expected = {"a": torch.ones(2), "b": torch.ones(3)}
    account_for("tiny", {"a": torch.zeros(2), "b": torch.zeros(3)}, expected)
    with pytest.raises(WeightsDamaged, match="'tiny' lack b, hold unknown c, have another shape in a"):
        account_for("tiny", {"a": torch.zeros(3), "c": torch.zeros(3)}, expected)
    many = {f"k{number}": torch.ones(1) for number in range(9)}
    with pytest.raises(WeightsDamaged, match="lack k0, k1, k2 and 6 more"):
        account_for("tiny", {}, many)


def test_a_manifest_is_readable_json_with_its_own_words_kept(tmp_path):
    save_checkpoint(tmp_path, WEIGHTS, {"note": "Größe"})
    assert "Größe" in (tmp_path / MANIFEST).read_text(encoding="utf-8")
    assert json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))["note"] == "Größe"


def test_what_a_killed_save_left_is_removed_by_the_next(folder):
    left = [folder / f".{TENSORS}.k1ll3d.tmp", folder / ".tmpk1ll3d"]  # ours, and that of safetensors inside it
    for file in left:
        file.write_bytes(b"half a tow")
    save_checkpoint(folder, WEIGHTS, {}, {"tokenizer.json": b"{}"})
    assert not any(file.exists() for file in left)


def test_tensors_have_one_digest_whatever_their_order_and_another_for_every_other_name_kind_shape_or_value():
    one = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7)}
    others = (
        {"c": one["a"], "b": one["b"]},
        {"a": one["a"].half(), "b": one["b"]},
        {"a": one["a"].reshape(3, 2), "b": one["b"]},
        {"a": one["a"] + 1, "b": one["b"]},
        {"a": one["a"]},
    )
    digests = [digest_of_tensors(tensors) for tensors in (one, *others)]
    assert digest_of_tensors({"b": one["b"], "a": one["a"].T.contiguous().T}) == digests[0]
    assert len(set(digests)) == len(digests)
