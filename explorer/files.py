"""Writing that survives a crash, and reading that notices damage.

Prepared data live in one folder each:

    <folder>/manifest.json          what is in it, and the sha256 of every file; sealed by a sha256 of its own
    <folder>/generation-<random>/   the files the manifest speaks of
    <folder>/lock                   held while somebody writes
    <folder>/changing               held by whoever writes what depends on what is there

Replacing `manifest.json` is the one step that makes a new generation the current one. A folder with files in it
cannot be renamed over another in one step, a file can: so there is no moment at which a reader finds nothing, or
finds half of the old and half of the new.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from explorer.errors import Damaged, Foreign, NotPrepared, StoreError

SCHEMA = 1  # of everything prepared; raise it when an older folder must be built again
REMEDY = "Run `python -m explorer index build`."

_MANIFEST = "manifest.json"
_GENERATION = "generation-"
_TEMPORARY = ".tmp-"
_CHANGING = "changing"

Manifest = Mapping[str, Any]
Loaded = TypeVar("Loaded")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file that takes its place only when complete and on the disk.

    A reader, also one after a power cut, finds the old file or the new one. Raises OSError if it cannot be written;
    the old file is then untouched.
    """
    temporary = path.with_name(f"{path.name}{_TEMPORARY}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


@contextmanager
def changing(folder: Path, what: str, wait: Callable[[], object]) -> Iterator[None]:
    """Take turns with everybody who reads `folder` in order to publish it changed, in this process or another.

    Two that read at the same time would publish one after the other, and the second would undo the first. `wait` is
    called if another one is at it; its turn ends with its process at the latest. Raises StoreError if the folder
    cannot be written.
    """
    with ExitStack() as turn:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            turn.enter_context(_held(folder / _CHANGING, wait))
        except OSError as error:
            raise _cannot_save(what) from error
        yield


def publish(folder: Path, what: str, about: Mapping[str, object], write: Callable[[Path], None]) -> None:
    """Make the files that `write` puts into an empty folder the current content of `folder`, all or nothing.

    `what` says what they are ("reports"), `about` is kept in the manifest (JSON values only); it is looked at once
    `write` is done, which may have filled it. Writers take turns; whatever a killed writer left behind is removed.
    Raises StoreError if the folder cannot be written or the disk is full; the previous content then stays.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_writer(folder):
            _remove_leftovers(folder)
            try:
                _write_generation(folder, what, about, write)
            finally:
                _remove_leftovers(folder)
    except OSError as error:
        raise _cannot_save(what) from error


def open_published(folder: Path, what: str, load: Callable[[Path, Manifest], Loaded]) -> Loaded:
    """Check every file of `folder` against its manifest, then return `load(folder of the files, about)`.

    Raises NotPrepared if nothing was published, Foreign if it is something else or of another version, Damaged if
    a single byte differs from what was published.
    """
    raw = _read_manifest(folder, what)
    try:
        return _load(folder, what, raw, load)
    except Damaged:
        if _read_manifest(folder, what) == raw:
            raise
    return open_published(folder, what, load)  # another process published while these files were read


def damaged(what: str) -> Damaged:
    """Return the one error for files that are not what was published."""
    return Damaged(f"The prepared {what} are damaged or incomplete. {REMEDY}")


def _cannot_save(what: str) -> StoreError:
    return StoreError(
        f"The {what} could not be saved: the cache folder cannot be written, or the disk is full. "
        "Make room, or name another folder in CXR_CACHE."
    )


def _write_generation(folder: Path, what: str, about: Mapping[str, object], write: Callable[[Path], None]) -> None:
    generation = folder / f"{_GENERATION}{secrets.token_hex(8)}"
    generation.mkdir()
    write(generation)
    files = sorted(generation.iterdir())
    for path in (*files, generation):
        _sync(path)
    manifest = {
        "schema": SCHEMA,
        "what": what,
        "generation": generation.name,
        "files": {path.name: sha256_of(path) for path in files},
        "about": about,
    }
    write_atomically(folder / _MANIFEST, lambda file: file.write(_sealed(manifest)))


def _load(folder: Path, what: str, raw: bytes, load: Callable[[Path, Manifest], Loaded]) -> Loaded:
    manifest = _unsealed(raw, what)
    if manifest["schema"] != SCHEMA or manifest["what"] != what:
        raise Foreign(f"The prepared {what} were made by another version of this product. {REMEDY}")
    generation = folder / manifest["generation"]
    try:
        if any(sha256_of(generation / name) != sha for name, sha in manifest["files"].items()):
            raise damaged(what)
        return load(generation, manifest["about"])
    except OSError as error:
        raise damaged(what) from error


def _read_manifest(folder: Path, what: str) -> bytes:
    try:
        return (folder / _MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise NotPrepared(f"The {what} have not been prepared yet. {REMEDY}") from error
    except OSError as error:
        raise damaged(what) from error


def _sealed(manifest: Mapping[str, object]) -> bytes:
    seal = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({"manifest": manifest, "sha256": seal}, sort_keys=True, indent=1).encode()


def _unsealed(raw: bytes, what: str) -> Manifest:
    try:
        manifest: Manifest = json.loads(raw)["manifest"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(what) from error
    if _sealed(manifest) != raw:
        raise damaged(what)
    return manifest


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Wait for other writers of this folder. The kernel lets go of the lock of a killed one."""
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _held(path: Path, wait: Callable[[], object]) -> Iterator[None]:
    """Hold the lock of a file. Whoever held it before may have removed the file: then the new one is the lock."""
    while True:
        with path.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_still(path, lock):
                yield
                return
        path.parent.mkdir(parents=True, exist_ok=True)


def _is_still(path: Path, opened: BinaryIO) -> bool:
    try:
        return path.stat().st_ino == os.fstat(opened.fileno()).st_ino
    except FileNotFoundError:
        return False


def _remove_leftovers(folder: Path) -> None:
    """Remove what no manifest speaks of. Only the writer that holds the lock may, else it would hit a live one."""
    for temporary in folder.glob(f"*{_TEMPORARY}*"):
        temporary.unlink()
    current = _current_generation(folder)
    for generation in folder.glob(f"{_GENERATION}*"):
        if generation.name != current:
            shutil.rmtree(generation)


def _current_generation(folder: Path) -> str | None:
    try:
        return str(_unsealed(_read_manifest(folder, ""), "")["generation"])
    except StoreError:
        return None


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
