"""Weights on disk: safetensors beside a manifest that names the sha256 of every file. Nothing else is read as weights,
save for one guarded `torch.load` for packages that ship PyTorch files.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.interfaces import WeightsDamaged, WeightsMissing

MANIFEST = "manifest.json"
TENSORS = "weights.safetensors"
_TEMPORARY = ".tmp"


@dataclass(frozen=True)
class Checkpoint:
    """A folder of weights whose files were compared with its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def revision(self) -> str:
        """Return the sha256 over the sha256 of every file: equal for equal weights, whatever the manifest tells."""
        return digest_of(*(self.manifest["files"][name] for name in sorted(self.manifest["files"])))

    def tensors(self, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Tensor]:
        """Read the tensors whose key is wanted, as stored."""
        with safe_open(str(self.folder / TENSORS), framework="pt") as stored:
            return {key: stored.get_tensor(key) for key in stored.keys() if wanted(key)}  # noqa: SIM118 - no mapping


def save_checkpoint(
    folder: Path, tensors: Mapping[str, Tensor], manifest: Mapping[str, Any], files: Mapping[str, bytes] | None = None
) -> None:
    """Write tensors, further files, then the manifest; each file appears whole or not at all.

    Args:
        folder: made if absent. A reader accepts it only once the manifest, written last, names what is there.
        tensors: saved as they are, made contiguous.
        manifest: the caller's part; `files` is added.
        files: more files of the checkpoint, such as a tokenizer, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in (*folder.glob(f".*{_TEMPORARY}"), *folder.glob(f"{_TEMPORARY}*")):  # by a killed save; safetensors' own
        left.unlink(missing_ok=True)
    contiguous = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    write_atomically(folder / TENSORS, lambda target: save_file(contiguous, str(target)))
    for name, content in (files or {}).items():
        write_atomically(folder / name, partial(_write_bytes, content=content))
    digests = {name: sha256_of(folder / name) for name in (TENSORS, *(files or {}))}
    text = json.dumps({**manifest, "files": digests}, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / MANIFEST, lambda target: target.write_text(text, encoding="utf-8"))


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open a folder of weights and compare its files with the manifest.

    Raises:
        WeightsMissing: no manifest there.
        WeightsDamaged: the manifest cannot be read, or a file is absent or differs.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = {TENSORS: manifest["files"][TENSORS], **manifest["files"]}
    except FileNotFoundError:
        raise WeightsMissing(f"There are no weights named {folder.name!r} on this machine.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsDamaged(
            f"The manifest of the weights {folder.name!r} cannot be read. Fetch them again."
        ) from error
    for name, digest in expected.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            raise WeightsDamaged(f"The file {name} of the weights {folder.name!r} is damaged. Fetch them again.")
    return Checkpoint(folder, manifest)


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it, in fp32."""
    return {key.removeprefix(prefix): value.float() for key, value in tensors.items() if key.startswith(prefix)}


def own_base(tensors: Mapping[str, Tensor], root: str) -> dict[str, Tensor]:
    """Return a whole language model in fp32 from a checkpoint that needs no other: "base." is what was not trained.

    Args:
        tensors: of the checkpoint.
        root: the prefix of what was trained in place, such as "decoder.".
    """
    return below(tensors, "base.") | below(tensors, root)


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over tensors as stored, with their names, kinds and shapes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def account_for(name: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Hold the weights of a file against those that a tower is made of, by name and shape.

    Raises:
        WeightsDamaged: a weight is missing, unknown or of another shape; the message names it.
    """
    both = [key for key in expected if key in tensors]
    wrong = {
        "lack": [key for key in expected if key not in tensors],
        "hold unknown": [key for key in tensors if key not in expected],
        "have another shape in": [key for key in both if tensors[key].shape != expected[key].shape],
    }
    told = ", ".join(f"{what} {_some(keys)}" for what, keys in wrong.items() if keys)
    if told:
        raise WeightsDamaged(f"The weights of {name!r} {told}. Take the file that its authors publish for this tower.")


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def fill(part: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load all weights of a part. Raises KeyError where one is missing, as after a stage that never trained it."""
    part.load_state_dict({key: tensors[key] for key in part.state_dict()})


def _write_bytes(target: Path, content: bytes) -> None:
    target.write_bytes(content)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a safetensors file that has no manifest of ours, such as one of a pinned package.

    Raises:
        WeightsDamaged: it is not a whole safetensors file.
    """
    try:
        with safe_open(str(file), framework="pt") as stored:
            return {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise WeightsDamaged(f"The weights file {file.name} is damaged. Fetch or install it again.") from error


def read_pytorch_file(file: Path) -> dict[str, Any]:
    """Read what PyTorch saved, tensors and plain containers only: no object in it is ever built.

    Raises:
        WeightsDamaged: it is no such file, a damaged one, or one that asks for more.
    """
    try:
        return dict(torch.load(file, map_location="cpu", weights_only=True, mmap=is_zipfile(file)))
    except Exception as error:  # the reader raises whatever the damage makes of it
        raise WeightsDamaged(f"The file {file.name} is not a PyTorch file of plain tensors. Fetch it again.") from error


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside path, flush it to disk, and put it in place in one step."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def digest_of(*parts: str) -> str:
    """Return the sha256 over strings, in order; no two lists of strings share one by joining differently."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
