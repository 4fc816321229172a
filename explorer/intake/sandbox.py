"""Decoding behind a wall: untrusted bytes go to a child process, pixels come back.

The child gets no path and no name, cannot write a file, and is bounded in memory, processor time and wall time;
whatever it prints is thrown away. One stays warm between films, since starting one costs about half a second.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from explorer.errors import Corrupt, IntakeError, TookTooLong, TooLarge
from explorer.intake import wire
from explorer.intake.sniff import sniff
from explorer.settings import Limits
from explorer.types import QueryImage

PROJECT = Path(__file__).resolve().parents[2]
# Libraries are imported before the project becomes importable, and `-I` keeps the working directory out: a folder
# there named like one of their modules (python-gdcm tries `dl`) must not be picked up in its place.
START = (
    "import sys, numpy, PIL.Image, PIL.ImageOps, pydicom.filereader, pydicom.pixels; "
    "sys.path.append(sys.argv[1]); "
    "from explorer.intake.child import main; main(sys.argv[2])"
)
# One thread each: a pool per core would spend the child's memory allowance on stacks.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

GRACE = 2.0  # seconds a child that stopped answering gets to finish dying: how it died says why

TOO_LONG = "Reading this file took too long and was stopped. Export the film again, or as PNG."
OUT_OF_MEMORY = "Reading this file needed more memory than allowed. Export a smaller picture."
BROKE_OFF = "Reading this file broke off: it is probably damaged. Export the film again, or as PNG."
CLOSING = "The program is closing and reads no further film. Start it again."


class Intake:
    """Reads uploaded files, one at a time; safe to share between threads.

    The child is started by the first file, replaced after any refusal and after
    `limits.sandbox_files_per_worker` files, and killed when a file takes more than
    `limits.sandbox_wall_seconds`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turn = threading.Lock()
        self._worker: _Worker | None = None
        self._closed = False

    def read(self, data: bytes) -> QueryImage:
        """Return the radiograph in a DICOM, PNG or JPEG file.

        Raises `NotAnImage`, `UnsupportedSyntax`, `TooLarge`, `Corrupt` or `TookTooLong`; after any of them the
        next file is read as if nothing had happened. A plain `IntakeError` after `close`.
        """
        sniff(data, self._limits)
        with self._turn:
            worker = self._ready_worker()
            try:
                return worker.decode(data)
            finally:
                if worker.spent:
                    self._drop_worker()

    def close(self) -> None:
        """Stop the child at once. A film it is reading is refused as `Corrupt`."""
        self._closed = True
        worker = self._worker
        if worker is not None:
            worker.kill()
        with self._turn:
            self._drop_worker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ready_worker(self) -> _Worker:
        if self._closed:
            raise IntakeError(CLOSING)
        if self._worker is not None and not self._worker.alive:
            self._drop_worker()
        if self._worker is None:
            self._worker = _Worker(self._limits)
        return self._worker

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None


class _Worker:
    """One child process, and what is known about it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._files = 0
        self._failed = False
        self._killed = False
        self._overdue = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", START, str(PROJECT), json.dumps(asdict(limits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,  # Ctrl-C in the terminal is the app's to handle
        )
        self._files_out = cast(BinaryIO, self._process.stdin)
        self._films_in = cast(BinaryIO, self._process.stdout)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def spent(self) -> bool:
        return self._failed or self._overdue.is_set() or self._files >= self._limits.sandbox_files_per_worker

    def decode(self, data: bytes) -> QueryImage:
        """Send one file and wait for its film, no longer than the wall clock allows."""
        self._files += 1
        self._failed = True  # until the answer is complete
        watch = threading.Timer(self._limits.sandbox_wall_seconds, self._expire)
        watch.daemon = True
        watch.start()
        try:
            wire.send_file(self._files_out, data)
            film = wire.receive_film(self._films_in, self._limits)
        except wire.MALFORMED:
            raise self._post_mortem() from None
        finally:
            watch.cancel()
        self._failed = False
        return film

    def kill(self) -> None:
        """End the process whatever it is doing; another thread may be waiting for it."""
        self._killed = True
        self._process.kill()

    def stop(self) -> None:
        """End the process and let go of its pipes."""
        self.kill()
        for pipe in (self._files_out, self._films_in):
            with suppress(OSError):  # unsent bytes of a refused file
                pipe.close()
        self._process.wait()

    def _expire(self) -> None:
        self._overdue.set()
        self.kill()

    def _post_mortem(self) -> IntakeError:
        """Return the refusal for a child that died or answered nonsense."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        status = self._process.returncode
        if self._overdue.is_set() or status == -signal.SIGXCPU:
            return TookTooLong(TOO_LONG)
        if status == -signal.SIGKILL and not self._killed:
            return TooLarge(OUT_OF_MEMORY)
        return Corrupt(BROKE_OFF)
