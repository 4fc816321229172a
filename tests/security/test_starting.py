"""The program as a person starts and ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from test_load import shared

ROOT = Path(__file__).parents[2]
HOSTS = ("0.0.0.0", "::", "192.0.2.1")  # noqa: S104 - refused


@pytest.mark.parametrize("host", HOSTS)
def test_it_refuses_to_be_reached_from_outside_without_a_password(host):
    started = subprocess.run(
        [sys.executable, "app.py", "--host", host], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert started.returncode == 2
    assert "--auth USER:PASS" in started.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_answers_soon_after_its_start_and_ends_at_once_leaving_nothing(tmp_path, record_property):
    """A second start: the first one prepares the reports, which takes as long as it takes."""
    first, last = [], []
    for _ in range(2):
        waited, ended, said, log = start_and_end(tmp_path)
        first.append(waited)
        last.append(ended)
        assert said == "served"
        assert "Traceback" not in log
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    slow = max(shared(), 1.0)
    said = (
        f"start to first page {first[1]:.1f} s, SIGTERM to end {min(last):.1f} s, on a machine {slow:.1f} times slowed"
    )
    record_property("said", said)
    assert min(last) <= 3 * slow


def start_and_end(temporary):
    """Return the seconds until the page is there and from SIGTERM to the end, whether it was served, and the log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.monotonic()
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert app.stdout is not None
    line = app.stdout.readline()
    served = "served" if httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 200 else line
    waited = time.monotonic() - begun
    asked = time.monotonic()
    app.send_signal(signal.SIGTERM)
    _, log = app.communicate(timeout=60)
    assert app.returncode == 0
    return waited, time.monotonic() - asked, served, log


def test_the_spy_of_the_browser_tests_sees_a_look_up_and_a_connection(tmp_path):
    program = (
        "import sys, socket; sys.path.insert(0, 'tests/browser'); import runpy, watched_app; from pathlib import Path\n"
        "def asks(*_, **__):\n"
        "    for ask in (lambda: socket.getaddrinfo('outside.example', 80), "
        "lambda: socket.create_connection(('192.0.2.1', 9), timeout=0.01), "
        "lambda: socket.create_connection(('127.0.0.1', 9), timeout=0.01)):\n"
        "        try:\n            ask()\n        except OSError:\n            pass\n"
        "runpy.run_path = asks\n"
        f"watched_app.main(Path({str(tmp_path / 'hosts')!r}), [])"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
    assert set((tmp_path / "hosts").read_text().split()) == {"outside.example", "192.0.2.1"}
