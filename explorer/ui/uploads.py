"""The folder of uploads: private, swept, and gone with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "cxr-uploads-"
SWEEP = (60, 600)  # seconds: how often files nobody read are looked for, and how old they may get


@contextmanager
def uploads_folder() -> Iterator[Path]:
    """Yield a new folder only this user can open; files in it are deleted when they are old, all of them at the end.

    What a killed process left behind is deleted first.
    """
    _remove_orphans()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)  # the kernel lets go of it when the process ends
    ended = threading.Event()
    threading.Thread(target=_sweep_until, args=(ended, folder), daemon=True).start()
    try:
        yield folder
    finally:
        ended.set()
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep(folder: Path, age: float) -> None:
    """Delete files that have lain in a folder for more than `age` seconds, and folders in it that are empty."""
    oldest = time.time() - age
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):  # gone, or in use
            if path.is_dir():
                path.rmdir()
            elif path.lstat().st_ctime < oldest:
                path.unlink()


def _sweep_until(ended: threading.Event, folder: Path) -> None:
    every, age = SWEEP
    while not ended.wait(every):
        sweep(folder, age)


def _remove_orphans() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or gone
            held = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)
