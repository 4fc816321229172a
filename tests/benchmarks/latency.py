"""How long a person waits, through the app's own API: at 1, 4 and 16 users, and where the time goes for one.

The app is served as `app.py` serves it; the users are another process. Each user asks what nobody asked before. What a
question costs that does nothing is measured in the same run, and so is one that was just answered. Beside the wall's
time stands the server's processor time for a question, which a busy machine changes little.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "security"))  # who knows how the page asks

from visitor import Visitor, finished

from explorer.compose import compose
from explorer.settings import Settings
from explorer.ui.launch import Door, closed_environment, serve
from models.interfaces import Dual
from tests.benchmarks.keeping import kept_in

USERS = (1, 4, 16)
ASKS = {"text": {1: 24, 4: 8, 16: 4}, "film": {1: 12, 4: 4, 16: 2}}  # of each user
SIDE = 2_000  # pixels of the film
PORT = 7_991
NOTHING = ("nothing", "taken")  # questions that do nothing


@dataclass(frozen=True)
class Waits:
    """Seconds that each question took, and how many were not answered."""

    seconds: tuple[float, ...]
    errors: int

    @property
    def told(self) -> dict[str, float]:
        """Return it in milliseconds."""
        middle, late = (round(float(one) * 1e3) for one in np.quantile(self.seconds, [0.5, 0.95]))
        return {"p50": middle, "p95": late, "n": len(self.seconds), "errors": self.errors}

    def __str__(self) -> str:
        return "   ".join(f"{name} {value:6}" for name, value in self.told.items())


class Clocked:
    """Adds up the time inside some calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def around(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def clocked(*args: object, **options: object) -> object:
            begun = time.perf_counter()
            try:
                return call(*args, **options)
            finally:
                with self._lock:
                    self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun

        return clocked


class ClockedTower:
    """A tower whose `encode` is clocked."""

    def __init__(self, tower, clock: Clocked) -> None:
        self._tower = tower
        self.encode = clock.around("encode", tower.encode)

    @property
    def info(self):
        return self._tower.info


class ClockedTowers:
    def __init__(self, towers, clock: Clocked) -> None:
        self._towers, self._clock = towers, clock

    def text(self, name):
        return ClockedTower(self._towers.text(name), self._clock)

    def dual(self, name):
        dual = self._towers.dual(name)
        return Dual(ClockedTower(dual.text, self._clock), ClockedTower(dual.image, self._clock), *dual_rest(dual))


def dual_rest(dual: Dual) -> tuple[object, ...]:
    return tuple(value for name, value in vars(dual).items() if name not in ("text", "image"))


@contextmanager
def served(settings: Settings) -> Iterator[tuple[str, Clocked]]:
    with closed_environment():
        explorer = compose(settings)
        clock = Clocked()
        explorer._towers = ClockedTowers(explorer._towers, clock)
        explorer.read_image = clock.around("intake", explorer.read_image)
        for name in ("by_text", "by_image"):
            setattr(explorer, name, clock.around("encode and search", getattr(explorer, name)))
        explorer.prepare("text")
        explorer.prepare("image")
        import gradio as gr

        from explorer.ui.blocks import build_blocks

        blocks = build_blocks(explorer)
        with blocks:
            nothing = gr.Button(elem_id="nothing", visible=False)
            nothing.click(lambda: None, None, None, api_visibility="private", concurrency_limit=16)
            taken = gr.File(elem_id="taken", visible=False)
            taken.upload(
                lambda film: Path(film["path"]).unlink(),
                taken,
                None,
                preprocess=False,
                api_visibility="private",
                concurrency_limit=16,
            )
        address = serve(blocks, Door(port=PORT), upload_bytes=settings.limits.upload_bytes, blocked=())
        try:
            yield address, clock
        finally:
            blocks.close(verbose=False)
            explorer.close()


def film(number: int) -> bytes:
    """Return an uncompressed 16-bit DICOM of 2,000 by 2,000 pixels, other ones for every number."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    grey = (2_000 + 1_500 * np.sin(6 * across + number) * np.cos(5 * down) + 40 * number).astype(np.uint16)
    film, film.file_meta = Dataset(), FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID = generate_uid()
    film.Modality, film.PhotometricInterpretation = "DX", "MONOCHROME2"
    film.Rows = film.Columns = SIDE
    film.SamplesPerPixel, film.BitsAllocated, film.BitsStored, film.HighBit = 1, 16, 16, 15
    film.PixelRepresentation = 0
    film.PixelData = grey.tobytes()
    written = io.BytesIO()
    film.save_as(written, enforce_file_format=True)
    return written.getvalue()


def crowd(address: str, kind: str, users: int, asks: int, first: int) -> Waits:
    """Run in a process of its own: so many users at once, each asking one thing after another."""
    films = [film(first + number) for number in range(users * asks)] if kind in ("film", "taken") else []

    def user(number: int) -> list[float | None]:
        waits: list[float | None] = []
        with httpx.Client(base_url=address, timeout=120) as client:
            visitor = Visitor(client)
            for ask in range(asks):
                which = number * asks + ask
                begun = time.perf_counter()
                answer = _ask(visitor, kind, first + which, films[which] if films else b"")
                waited = time.perf_counter() - begun
                whole = bool(finished(answer)["success"]) and (kind in NOTHING or "hit" in answer)
                waits.append(waited if whole else None)
        return waits

    with ThreadPoolExecutor(users) as pool:
        waits = [wait for one in pool.map(user, range(users)) for wait in one]
    return Waits(tuple(wait for wait in waits if wait is not None), waits.count(None))


def _ask(visitor: Visitor, kind: str, number: int, data: bytes) -> str:
    if kind == "nothing":
        return visitor.fire(visitor.event("nothing", "click"), [])
    if kind == "taken":
        record = {"path": visitor.upload("film.dcm", data), "meta": {"_type": "gradio.FileData"}}
        return visitor.fire(visitor.event("taken", "upload"), [record])
    if kind == "film":
        return visitor.drop("film.dcm", data)
    number = 0 if kind == "again" else number
    return visitor.ask(f"Small right apical pneumothorax after chest tube, film {number}. No effusion.")


class Asking:
    """Asks through another process, and adds up where the server's time goes."""

    def __init__(self, address: str, clock: Clocked, pool: Pool) -> None:
        self._address, self._clock, self._pool = address, clock, pool
        self._first = 0

    def ask(self, kind: str, users: int, asks: int) -> Waits:
        self._first += users * asks
        return self._pool.apply(crowd, (self._address, kind, users, asks, self._first))

    def told(self, kind: str, users: int, idle: Waits) -> dict[str, object]:
        """Ask as many users one after another, and return what they waited, in milliseconds."""
        asks = ASKS[kind][users]
        self._clock.seconds.clear()
        processor = time.process_time()
        waits = self.ask(kind, users, asks)
        told: dict[str, object] = {"what": kind, "users": users, **waits.told}
        told["core"] = round((time.process_time() - processor) / (users * asks) * 1e3)
        return told | (_where(waits, idle, self._clock, asks) if users == 1 else {})


def _where(waits: Waits, idle: Waits, clock: Clocked, asks: int) -> dict[str, float]:
    """Return where the time of one user goes: means, in milliseconds; "beyond" is all but the encoder, less `idle`."""
    spent = {name: seconds / asks for name, seconds in clock.seconds.items()}
    encode, intake = spent.get("encode", 0.0), spent.get("intake", 0.0)
    search = spent.get("encode and search", 0.0) - encode
    total, nothing = (float(np.mean(one.seconds)) for one in (waits, idle))
    parts = {"intake": intake, "encode": encode, "search": search, "render and transport": total - intake - encode}
    parts["render and transport"] -= search
    parts |= {"a question that does nothing": nothing, "beyond": total - encode - nothing}
    return {name: round(seconds * 1e3, 1) for name, seconds in parts.items()}


def measured() -> Iterator[dict[str, object]]:
    with served(Settings()) as (address, clock), multiprocessing.get_context("spawn").Pool(1) as pool:
        asking = Asking(address, clock, pool)
        asking.ask("text", 1, 2), asking.ask("film", 1, 1)  # what a running app has behind it
        idle = {"text": asking.ask("nothing", 1, 30), "film": asking.ask("taken", 1, 10)}
        yield {"what": "nothing asked", "users": 1, **idle["text"].told}
        yield {"what": "a film laid down, nothing asked", "users": 1, **idle["film"].told}
        yield from (asking.told(kind, users, idle[kind]) for kind in ASKS for users in USERS)
        yield {"what": "asked again", "users": 1, **asking.ask("again", 1, 8).told}


def main() -> None:
    save, rows = kept_in(__doc__), []
    for row in measured():
        rows.append(row)
        sys.stdout.write("   ".join(f"{name} {value}" for name, value in row.items()) + "\n")
        sys.stdout.flush()
    load = os.getloadavg()[0]
    sys.stdout.write(f"all in milliseconds; load of the machine at the end: {load:.1f} on {os.cpu_count()} cores\n")
    if save:
        save.write_text(json.dumps({"rows": rows, "load": load}), encoding="utf-8")


if __name__ == "__main__":
    main()
