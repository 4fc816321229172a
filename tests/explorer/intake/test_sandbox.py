from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from made_films import RLE, dataset, encapsulated, file_of, png_of, wedge

from explorer.errors import Corrupt, IntakeError, NotAnImage, TookTooLong, TooLarge
from explorer.intake.decode import decode
from explorer.intake.sandbox import Intake
from explorer.settings import Limits

FILM = file_of(dataset(wedge(12, False), 12))
HOLLOW = FILM[: FILM.index(b"\xe0\x7f\x10\x00")]  # the header without its pixels


@pytest.fixture
def own_intake() -> Iterator[Intake]:
    with Intake(Limits()) as intake:
        yield intake


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def child_of(intake: Intake) -> psutil.Process:
    """The process that `intake` keeps warm."""
    before = children()
    intake.read(FILM)
    (pid,) = children() - before
    return psutil.Process(pid)


@pytest.fixture(scope="module")
def warm() -> Iterator[tuple[Intake, psutil.Process]]:
    with Intake(Limits()) as intake:
        yield intake, child_of(intake)


def slow_film() -> bytes:
    """A film whose run-length code is a run per pixel: seconds of decoding behind a harmless header."""
    rows, columns = 5_400, 5_400
    row = b"\x00\x01\x00\x02" * (columns // 2)
    segment = row * rows
    header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
    made = dataset(np.zeros((1, 1), np.int64), 8)
    made.Rows, made.Columns = rows, columns
    return file_of(encapsulated(made, RLE, header + segment))


def test_the_sandbox_gives_what_decoding_here_gives(intake: Intake) -> None:
    there, here = intake.read(FILM), decode(FILM, Limits())
    assert np.array_equal(there.pixels, here.pixels)
    assert np.array_equal(there.display, here.display)
    assert (there.window, there.digest, there.notes) == (here.window, here.digest, here.notes)


def test_pixels_from_the_sandbox_cannot_be_written(intake: Intake) -> None:
    film = intake.read(FILM)
    assert not film.pixels.flags.writeable
    assert not film.display.flags.writeable


def test_a_refusal_keeps_its_class_and_its_words(intake: Intake) -> None:
    with pytest.raises(Corrupt, match="blank"):
        intake.read(png_of(np.zeros((4, 4), np.uint8)))


def test_a_wrong_file_costs_no_child() -> None:
    with Intake(Limits()) as intake:
        before = children()
        with pytest.raises(NotAnImage):
            intake.read(b"a text file renamed to film.dcm " * 20)
        assert children() == before


def test_the_child_is_replaced_after_so_many_files() -> None:
    with Intake(Limits(sandbox_files_per_worker=2)) as intake:
        child = child_of(intake)
        intake.read(FILM)
        assert not child.is_running()
        assert intake.read(FILM).pixels.shape == (32, 32)


def test_the_child_is_replaced_after_a_refusal() -> None:
    with Intake(Limits()) as intake:
        child = child_of(intake)
        with pytest.raises(Corrupt):
            intake.read(HOLLOW)
        assert not child.is_running()
        assert intake.read(FILM).pixels.shape == (32, 32)


def test_a_child_killed_between_films_is_not_noticed(own_intake: Intake) -> None:
    child = child_of(own_intake)
    child.kill()
    child.wait()
    assert own_intake.read(FILM).pixels.shape == (32, 32)


def test_a_child_killed_by_the_system_at_work_is_called_out_of_memory(own_intake: Intake) -> None:
    child = child_of(own_intake)
    child.suspend()
    threading.Timer(0.3, child.kill).start()
    with pytest.raises(TooLarge, match="more memory"):
        own_intake.read(FILM)
    assert own_intake.read(FILM).pixels.shape == (32, 32)


def test_a_child_that_crashes_is_called_a_damaged_file(own_intake: Intake) -> None:
    child = child_of(own_intake)
    child.suspend()
    threading.Timer(0.3, lambda: (child.send_signal(11), child.resume())).start()
    with pytest.raises(Corrupt, match="damaged"):
        own_intake.read(FILM)
    assert own_intake.read(FILM).pixels.shape == (32, 32)


def test_a_child_that_hangs_is_killed_on_time() -> None:
    with Intake(Limits(sandbox_wall_seconds=3)) as intake:
        child = child_of(intake)
        child.suspend()
        started = time.monotonic()
        with pytest.raises(TookTooLong, match="too long"):
            intake.read(FILM)
        assert 2.5 < time.monotonic() - started < 10
        assert not child.is_running()
        assert intake.read(FILM).pixels.shape == (32, 32)


@pytest.mark.slow
def test_a_film_that_takes_too_much_processor_time_is_stopped() -> None:
    with Intake(Limits(sandbox_cpu_seconds=1)) as intake:
        with pytest.raises(TookTooLong, match="too long"):
            intake.read(slow_film())
        assert intake.read(FILM).pixels.shape == (32, 32)


@pytest.mark.slow
def test_processor_time_is_counted_per_film() -> None:
    ramp = np.tile(np.arange(3_000, dtype=np.uint16), (2_500, 1))
    png = png_of(ramp)
    with Intake(Limits(sandbox_cpu_seconds=1)) as intake:
        child = child_of(intake)
        while sum(child.cpu_times()[:2]) < 2.2:
            intake.read(png)


def test_a_picture_beyond_the_memory_limit_is_refused() -> None:
    tall = np.zeros((6_000, 6_000), np.bool_)
    tall[0] = True
    with Intake(Limits(sandbox_memory_bytes=300 * 2**20)) as intake:
        with pytest.raises(TooLarge, match="memory"):
            intake.read(png_of(tall))
        assert intake.read(FILM).pixels.shape == (32, 32)


def test_closing_stops_a_reading_at_once_and_refuses_the_next(own_intake: Intake) -> None:
    child = child_of(own_intake)
    child.suspend()
    threading.Timer(0.3, own_intake.close).start()
    started = time.monotonic()
    with pytest.raises(Corrupt):
        own_intake.read(FILM)
    assert time.monotonic() - started < 10
    with pytest.raises(IntakeError, match="closing"):
        own_intake.read(FILM)


def test_threads_share_one_intake_and_get_their_own_films(intake: Intake) -> None:
    sizes = [(8 + i, 40 - i) for i in range(12)]
    files = [png_of(np.arange(h * w, dtype=np.uint32).reshape(h, w).astype(np.uint8)) for h, w in sizes]
    with ThreadPoolExecutor(4) as threads:
        assert [film.pixels.shape for film in threads.map(intake.read, files)] == sizes


def test_the_child_holds_no_torch_and_nothing_of_the_environment(warm: tuple[Intake, psutil.Process]) -> None:
    _, child = warm
    assert child.environ().keys() == {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    mapped = " ".join(region.path for region in child.memory_maps())
    assert "torch" not in mapped
    assert "gdcm" in mapped
    assert child.cwd() == "/"
    assert child.num_threads() == 1


def test_the_child_prints_nowhere_and_holds_only_its_pipes(warm: tuple[Intake, psutil.Process]) -> None:
    _, child = warm
    opened = {fd.name: str(fd.readlink()) for fd in Path(f"/proc/{child.pid}/fd").iterdir()}
    assert (opened["1"], opened["2"]) == ("/dev/null", "/dev/null")
    assert sorted(target.split(":")[0] for target in opened.values()) == ["/dev/null", "/dev/null", "pipe", "pipe"]


def test_the_child_ends_with_the_intake(warm: tuple[Intake, psutil.Process]) -> None:
    intake, child = warm
    before = children()
    intake.read(FILM)
    assert children() == before
    intake.close()
    assert not child.is_running()


def test_a_folder_named_like_a_library_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dl", "gdcm", "pydicom"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Intake(Limits()) as intake:
        assert intake.read(FILM).pixels.shape == (32, 32)


def test_the_app_itself_loads_no_decoder() -> None:
    code = (
        "import sys; import explorer.intake.sandbox, explorer.intake.examples; "
        "sys.exit(bool({'pydicom', 'PIL', 'gdcm', 'torch'} & set(sys.modules)))"
    )
    project = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=project, check=False).returncode == 0


def test_the_sandbox_adds_less_than_a_seventh_of_a_second_to_a_normal_film() -> None:
    """Processor time of both sides, which a busy machine does not stretch. The film has 4 megapixels."""
    data = png_of(np.tile(np.arange(2_000, dtype=np.uint32), (2_000, 1)).astype(np.uint8))
    with Intake(Limits()) as intake:
        child = child_of(intake)
        intake.read(data)
        spent = sum(child.cpu_times()[:2]) + time.process_time()
        for _ in range(4):
            intake.read(data)
        behind_the_wall = sum(child.cpu_times()[:2]) + time.process_time() - spent
    spent = time.process_time()
    for _ in range(4):
        decode(data, Limits())
    assert (behind_the_wall - (time.process_time() - spent)) / 4 < 0.15
