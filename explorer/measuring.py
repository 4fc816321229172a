"""A task measured again on this machine: `python -m training.evaluate` in a process of its own.

The app knows nothing of training; it starts the command a person would, reads how far it is from what that says, and
ends it when nobody waits any more. What was measured is kept in the data folder, apart from the figures that were
shipped.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from explorer.corpora.openi import NAME as OPENI
from explorer.errors import BadQuery, CxrError
from explorer.progress import Progress

ROOT = Path(__file__).parents[1]
FOLDER = "measured"
TASKS = {  # as the command names them → in words, and how many parts it announces for each encoder
    "1": ("Task 1: without priors, and split, to the original", 2),
    "2": ("Task 2: findings to impression", 1),
    "3": ("Task 3: the true impression among three with an error", 1),
    "4": ("Task 4: shorthand to the long form, and the same reports", 2),
    "5": ("Task 5: findings to the nearest findings", 1),
}
NEEDED: Mapping[str, tuple[str, ...]] = {  # task → sections it asks for; Task 4 has texts of its own
    "1": ("findings",),
    "2": ("findings", "impression"),
    "3": ("findings", "impression"),
    "5": ("findings",),
}
BEAT = 0.5  # seconds between two looks at whether somebody still waits
_TOLD = "Task "


def lacking(sections: Mapping[str, int]) -> Mapping[str, str]:
    """Return the tasks that cannot be measured on a corpus → the section it has not, of its studies by section."""
    return {
        task: missing[0]
        for task, needed in NEEDED.items()
        if (missing := [one for one in needed if not sections.get(one)])
    }


def measure(task: str, encoders: Sequence[str], corpus: str, data: Path, progress: Progress) -> Path:
    """Measure encoders on a task over a prepared corpus, and return the folder of the result file.

    Args:
        task: of `TASKS`.
        encoders: names, in the order of the table; the first is the one others are compared with.
        corpus: its name; of Open-I the test split is the one the towers have not seen, of others that of their source.
        data: the data folder.
        progress: is told what is measured; what it raises ends the process.

    Raises:
        BadQuery: no such task, or no encoder.
        CxrError: it could not be measured; the message is the command's own last line. What was there stays.
    """
    if task not in TASKS or not encoders:
        raise BadQuery("Choose a task and at least one encoder.")
    folder = data / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as fresh:
        file = Path(fresh) / "text.json"
        command = [sys.executable, "-m", "training.evaluate", "--tasks", task, "--encoders", ",".join(encoders)]
        command += [] if corpus == OPENI else ["--prepared", corpus]
        _run([*command, "--json", str(file)], TASKS[task][1] * len(encoders), progress)
        (folder / ".text.json").write_bytes(file.read_bytes())
    (folder / ".text.json").replace(folder / "text.json")
    return folder


def _run(command: Sequence[str], steps: int, progress: Progress) -> None:
    """Run the command; tell each line that says what is measured now. Raises CxrError if it fails."""
    progress("Starting", 0.0)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reading = Thread(target=_read, args=(process.stderr, lines), daemon=True)
    reading.start()
    try:
        while reading.is_alive():
            reading.join(BEAT)
            told = [line for line in tuple(lines) if line.startswith(_TOLD)]
            progress(told[-1] if told else "Reading the corpus, loading the encoders", max(0, len(told) - 1) / steps)
        if process.wait() != 0:
            raise CxrError(lines[-1] if lines else "The measurement ended before its time. Try again.")
    finally:
        process.kill()
        process.wait()


def _read(stream: IO[str] | None, lines: list[str]) -> None:
    for line in stream or ():
        if line.strip():
            lines.append(line.strip())
