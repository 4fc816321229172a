"""Downloads from a server of this test, on this machine, that cuts, redirects and lies as real ones do."""

from __future__ import annotations

import fcntl
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from explorer import fetch as fetching
from explorer.errors import FetchError, WeightsDamaged
from explorer.fetch import fetch, take
from models.interfaces import WeightsFile, WeightsSource

WEIGHTS = bytes(range(256)) * 20_000  # 5 MB: several blocks
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS}


class Host:
    """What the server has, how it behaves, and what it was asked."""

    def __init__(self) -> None:
        self.files = dict(FILES)
        self.asked: list[tuple[str, str]] = []  # path, Range
        self.cuts: list[int] = []  # bytes of the big file after which the next answers end
        self.ranges = True
        self.announced: dict[str, str] = {}  # by name, told on a redirect as the hub does
        self.page = False
        self.refusal = 0


def handler(host):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            name = self.path.rsplit("/", 1)[-1]
            asked = self.headers.get("Range", "")
            if name in host.announced and not self.path.startswith("/store/"):
                self.send_response(302)
                self.send_header("Location", f"/store/{name}")
                self.send_header("X-Linked-Etag", f'"{host.announced[name]}"')
                self.end_headers()
                return
            host.asked.append((name, asked))
            if host.refusal or name not in host.files:
                self.send_error(host.refusal or 404)
                return
            content = host.files[name]
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and host.ranges else 0
            if begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if begin else 200)
            self.send_header("Content-Type", "text/html" if host.page else "application/octet-stream")
            self.send_header("Content-Length", str(len(content) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            end = begin + host.cuts.pop(0) if host.cuts and name == "model.safetensors" else len(content)
            self.wfile.write(content[begin:end])
            self.close_connection = True

    return Handler


@pytest.fixture
def host():
    return Host()


@pytest.fixture
def source(host):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(host))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    files = (
        WeightsFile(("config.json",)),
        WeightsFile(("extra.json",), optional=True),
        WeightsFile(("model.safetensors", "pytorch_model.bin")),
    )
    yield WeightsSource("tiny", f"{address}/tiny", f"{address}/tiny/resolve/main/", "MIT", len(WEIGHTS), files)
    server.shutdown()
    server.server_close()
    thread.join()


class Cache:
    """Takes what is installed."""

    def __init__(self, folder: Path) -> None:
        self.incoming = folder / "incoming" / "tiny"
        self.files: dict[str, bytes] = {}
        self.digests: dict[str, str] = {}
        self.said: list[str] = []

    def install(self, given, digests):
        folder = given if given.is_dir() else given.parent
        self.digests = dict(digests)
        self.files = {name: (folder / name).read_bytes() for name in digests}

    def fetch(self, source):
        fetch(source, self.incoming, self.install, self.said.append, lambda what, share: None)

    def take(self, source, given):
        take(source, given, self.incoming.parent, self.install, self.said.append)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_whole_download_is_installed_with_its_digests_and_leaves_nothing_behind(source, cache):
    cache.fetch(source)
    assert cache.files == FILES
    assert cache.digests == {name: sha256(content) for name, content in FILES.items()}
    assert not cache.incoming.exists()


def test_source_licence_and_size_are_said_before_anything_is_asked_for(source, host, cache):
    heard = []
    fetch(source, cache.incoming, cache.install, lambda line: heard.append((line, len(host.asked))), lambda *_: None)
    first, asked = heard[0]
    assert asked == 0
    assert source.page in first
    assert "licence  MIT" in first
    assert "about 0.0 GB" in first


def test_progress_is_told_by_file_and_share(source, cache):
    told = []
    fetch(source, cache.incoming, cache.install, print, lambda what, share: told.append((what, share)))
    shares = [share for what, share in told if what == "model.safetensors"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0 < shares[0] < 1


def test_a_cut_download_goes_on_where_it_stopped_within_one_command(source, host, cache):
    host.cuts = [1_500_000, 700_000]
    cache.fetch(source)
    assert cache.files == FILES
    asked = [said for name, said in host.asked if name == "model.safetensors"]
    assert asked == ["", "bytes=1500000-", "bytes=2200000-"]


def test_a_download_that_a_killed_command_left_goes_on(source, host, cache):
    cache.incoming.mkdir(parents=True)
    (cache.incoming / "config.json").write_bytes(FILES["config.json"])
    (cache.incoming / "model.safetensors.part").write_bytes(WEIGHTS[:1_000_000])
    cache.fetch(source)
    assert cache.files == FILES
    assert ("model.safetensors", "bytes=1000000-") in host.asked
    assert "config.json" not in [name for name, _ in host.asked]


def test_a_connection_that_is_cut_again_and_again_is_given_up_and_kept(source, host, cache):
    host.cuts = [100_000] * 20
    with pytest.raises(FetchError, match=r"was cut at 0 MB of model\.safetensors.*fetch tiny` again"):
        cache.fetch(source)
    assert (cache.incoming / "model.safetensors.part").stat().st_size == 100_000 * fetching.ATTEMPTS
    host.cuts = []
    cache.fetch(source)
    assert cache.files == FILES


def test_a_host_that_knows_no_ranges_sends_all_of_it_again(source, host, cache):
    host.ranges, host.cuts = False, [2_000_000]
    cache.fetch(source)
    assert cache.files == FILES


def test_a_file_that_became_shorter_is_downloaded_anew(source, cache):
    cache.incoming.mkdir(parents=True)
    (cache.incoming / "model.safetensors.part").write_bytes(bytes(len(WEIGHTS) + 9))
    cache.fetch(source)
    assert cache.files == FILES


def test_a_file_that_its_host_has_under_another_name_only_is_found(source, host, cache):
    host.files["pytorch_model.bin"] = host.files.pop("model.safetensors")
    cache.fetch(source)
    assert set(cache.files) == {"config.json", "pytorch_model.bin"}


def test_a_file_that_is_not_there_any_more_is_named(source, host, cache):
    host.files = {"model.safetensors": WEIGHTS}
    with pytest.raises(FetchError, match=r"no config\.json any more.*--from FOLDER"):
        cache.fetch(source)
    assert cache.files == {}


def published(source, digest):
    *first, weights = source.files
    return replace(source, files=(*first, replace(weights, sha256=digest)))


def test_a_published_sha256_is_held_against_what_came(source, cache):
    cache.fetch(published(source, sha256(WEIGHTS)))
    assert any("as published" in line for line in cache.said)
    assert any("none published" in line for line in cache.said)  # config.json


def test_content_that_is_not_what_was_published_is_removed_and_never_installed(source, cache):
    with pytest.raises(FetchError, match=r"model\.safetensors is not what was published"):
        cache.fetch(published(source, "ab" * 32))
    assert cache.files == {}
    assert not (cache.incoming / "model.safetensors").exists()
    assert not (cache.incoming / "model.safetensors.part").exists()


def test_the_sha256_that_the_host_announces_on_its_redirect_is_held_against_what_came(source, host, cache):
    host.announced = {"model.safetensors": sha256(WEIGHTS)}
    cache.fetch(source)
    assert any("as its host announced" in line for line in cache.said)
    host.announced = {"model.safetensors": "cd" * 32}
    with pytest.raises(FetchError, match="not what was published"):
        cache.fetch(source)


def test_an_unreachable_host_is_one_kind_line(source, cache):
    silent = replace(source, files_at="http://127.0.0.1:9/")
    with pytest.raises(FetchError, match=r"cannot be reached.*on another machine.*--from FOLDER") as refused:
        cache.fetch(silent)
    assert "\n" not in str(refused.value)
    assert str(cache.incoming) not in str(refused.value)


@pytest.mark.parametrize("code", [401, 403, 500])
def test_a_refusal_is_said_with_its_number(source, host, cache, code):
    host.refusal = code
    with pytest.raises(FetchError, match=f"HTTP {code}"):
        cache.fetch(source)


def test_a_page_for_people_is_not_taken_for_weights(source, host, cache):
    host.page = True
    with pytest.raises(FetchError, match="a page for people"):
        cache.fetch(source)
    assert not list(cache.incoming.glob("*.part"))


def test_a_full_disk_is_said_kindly(source, cache):
    """/dev/full takes nothing, as a full disk does."""
    cache.incoming.mkdir(parents=True)
    (cache.incoming / "model.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(FetchError, match=r"No space left on device.*CXR_CACHE.*what arrived is kept") as refused:
        cache.fetch(source)
    assert "\n" not in str(refused.value)
    assert cache.files == {}


def test_too_little_room_is_noticed_before_anything_is_asked_for(source, host, cache):
    with pytest.raises(FetchError, match="Make room"):
        cache.fetch(replace(source, size=10**18))
    assert host.asked == []


def test_two_commands_do_not_write_into_one_file(source, host, cache):
    cache.incoming.mkdir(parents=True)
    with cache.incoming.with_name("tiny.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="by another command"):
            cache.fetch(source)
    assert host.asked == []
    cache.fetch(source)


def test_weights_that_do_not_fit_are_not_kept_for_the_next_try(source, cache):
    def refuse(given, digests):
        raise WeightsDamaged("lack x")

    with pytest.raises(WeightsDamaged):
        fetch(source, cache.incoming, refuse, cache.said.append, lambda *_: None)
    assert not cache.incoming.exists()


def test_a_folder_that_a_person_has_is_taken_without_a_network_and_only_read(source, host, cache, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    for name, content in FILES.items():
        (given / name).write_bytes(content)
    cache.take(source, given)
    assert cache.files == FILES
    assert host.asked == []
    assert {file.name: file.read_bytes() for file in given.iterdir()} == FILES


def test_a_file_that_a_person_has_is_taken_under_any_name(cache, tmp_path):
    (tmp_path / "mine.bin").write_bytes(WEIGHTS)
    single = WeightsSource("tiny", "page", "", "MIT", 1, (WeightsFile(("dual.bin",), sha256=sha256(WEIGHTS)),))
    cache.take(single, tmp_path / "mine.bin")
    assert cache.digests == {"mine.bin": sha256(WEIGHTS)}


def test_a_wrong_file_of_a_person_is_refused_and_left_alone(source, cache, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    with pytest.raises(FetchError, match="Take another copy"):
        cache.take(published(source, "ab" * 32), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


def test_a_wrong_path_is_said_without_naming_it(source, cache, tmp_path):
    with pytest.raises(FetchError, match="no file or folder") as refused:
        cache.take(source, tmp_path / "PATIENT")
    assert "PATIENT" not in str(refused.value)
