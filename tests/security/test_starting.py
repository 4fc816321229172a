"""The program as a person starts and ends it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from test_load import shared
from visitor import Visitor, shown

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
        assert "CXR Report Explorer" in said
        assert "Traceback" not in log
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    said = f"start to first page {first[1]:.1f} s, SIGTERM to end {min(last):.1f} s"
    record_property("said", f"{said}, on a machine {shared():.1f} times slowed")
    assert min(last) <= 3


@pytest.fixture
def without_weights(tmp_path):
    """A copy of the product whose default tower is cut off and whose baseline is missing."""
    copy = tmp_path / "copy"
    for part in ("explorer", "models"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", copy)
    (copy / "assets").mkdir()
    for part in (ROOT / "assets").iterdir():
        if part.name not in ("pocket", "bert4cxr", "clip4cxr"):
            (copy / "assets" / part.name).symlink_to(part)
    shutil.copytree(ROOT / "assets" / "pocket", copy / "assets" / "pocket")
    weights = copy / "assets" / "pocket" / "text" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    return copy


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_weights_that_can_be_used_it_starts_with_words_alone_and_every_page_says_so(without_weights):
    waited, _, page, log = start_and_end(without_weights.parent, without_weights)
    assert waited > 0
    assert "pocket cannot be used: The file weights.safetensors of the weights" in page
    assert "Until it can, words alone answer, without a model." in page
    assert "Traceback" not in log
    assert "pocket cannot be used" in log


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_no_weights_needed_the_first_answer_comes_fifteen_seconds_after_a_cold_start(tmp_path, record_property):
    """Nothing prepared, words alone: the reports are read and their findings told, and a question is answered."""
    (tmp_path / "cache").mkdir()
    begun = time.monotonic()
    with running(tmp_path, ROOT, "--encoder", "bm25", CXR_CACHE=str(tmp_path / "cache")) as (address, _):
        with httpx.Client(base_url=address, timeout=60) as client:
            answer = Visitor(client).ask("hiatal hernia")
        waited = time.monotonic() - begun
    slow = shared()
    record_property("said", f"cold start to first answer {waited:.1f} s, on a machine {slow:.1f} times slowed")
    assert "hernia" in shown(answer)
    assert waited <= 15


def start_and_end(temporary, copy=ROOT):
    """Return the seconds until the page is there and from SIGTERM to the end, what was served, and the log."""
    begun = time.monotonic()
    with running(temporary, copy) as (address, app):
        served = httpx.get(f"{address}/", timeout=30)
        waited = time.monotonic() - begun
        asked = time.monotonic()
        app.send_signal(signal.SIGTERM)
        _, log = app.communicate(timeout=60)
        ended = time.monotonic() - asked
    assert app.returncode == 0
    return waited, ended, served.text if served.status_code == 200 else "", log


@contextmanager
def running(temporary, copy, *words, **environment):
    """Start the program, yield its address once it serves and its process, and see to its end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port), *words],
        cwd=copy,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert app.stdout is not None
        assert "CXR Report Explorer is at" in app.stdout.readline(), app.communicate(timeout=60)
        yield f"http://127.0.0.1:{port}", app
    finally:
        if app.poll() is None:
            app.terminate()
            app.communicate(timeout=60)


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
