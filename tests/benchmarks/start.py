"""From the command to the first answer, everything prepared: `python -m tests.benchmarks.start`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "security"))  # who knows how the page asks

from visitor import Visitor, finished

from tests.benchmarks.keeping import kept_in

ROOT = Path(__file__).resolve().parents[2]
PORT, RUNS, LONGEST = 7_992, 3, 300.0  # seconds


def started() -> dict[str, float]:
    """Start the app, ask it one thing, end it; return seconds by the wall and of the processor."""
    begun = time.perf_counter()
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(PORT)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=LONGEST) as client:
            while not _answers(client) and time.perf_counter() - begun < LONGEST:
                time.sleep(0.02)
            page = time.perf_counter() - begun
            answer = Visitor(client).ask("Small right apical pneumothorax.")
            first = time.perf_counter() - begun
            if not finished(answer)["success"]:
                raise SystemExit("The app did not answer.")
        return {"page": round(page, 2), "first answer": round(first, 2), "processor": _processor_seconds(app.pid)}
    finally:
        app.terminate()
        app.wait()


def _answers(client: httpx.Client) -> bool:
    with suppress(httpx.HTTPError):
        return client.get("config").status_code == 200
    return False


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def main() -> None:
    save = kept_in(__doc__)
    started()  # the second time the files are in the memory of the system
    runs = sorted((started() for _ in range(RUNS)), key=lambda run: run["first answer"])
    middle = runs[len(runs) // 2] | {"n": RUNS}
    sys.stdout.write("median of " + "   ".join(f"{name} {value}" for name, value in middle.items()) + " (seconds)\n")
    if save:
        save.write_text(json.dumps(middle), encoding="utf-8")


if __name__ == "__main__":
    main()
