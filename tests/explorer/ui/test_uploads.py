from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from explorer.ui import uploads
from explorer.ui.uploads import sweep, uploads_folder

LEFT_BEHIND = """
import sys
from explorer.ui.uploads import uploads_folder
with uploads_folder() as folder:
    (folder / "film").write_bytes(b"film")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads.tempfile, "tempdir", str(tmp_path))


def test_the_folder_is_private_and_gone_afterwards(tmp_path):
    with uploads_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "film").write_bytes(b"film")
    assert list(tmp_path.iterdir()) == []


def test_what_is_old_is_deleted_and_what_is_new_stays(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "film").write_bytes(b"film")
    sweep(tmp_path, 600)
    assert (tmp_path / "a" / "b" / "film").is_file()
    sweep(tmp_path, -1)
    assert list(tmp_path.iterdir()) == []


def test_ten_minutes_are_ten_minutes():
    every, age = uploads.SWEEP
    assert every + age <= 11 * 60


def test_files_are_swept_while_the_folder_is_in_use(monkeypatch):
    monkeypatch.setattr(uploads, "SWEEP", (0.02, 0.1))
    with uploads_folder() as folder:
        (folder / "half-sent").write_bytes(b"film")  # of a browser that went away in the middle of its upload
        deadline = time.monotonic() + 10
        while any(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_is_deleted_by_the_next_and_a_living_ones_is_not(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", LEFT_BEHIND]
    owners = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    folders = [tmp_path / owner.stdout.readline().strip() for owner in owners]
    owners[0].send_signal(signal.SIGKILL)
    owners[0].wait()
    assert (folders[0] / "film").is_file()
    with uploads_folder():
        assert not folders[0].exists()
        assert (folders[1] / "film").is_file()
    owners[1].communicate()
    assert list(tmp_path.iterdir()) == []
