"""`python -m explorer fetch NAME`: the only command that connects out.

A download goes on where it was cut, is held against its sha256, and is then checked and put into the cache by the
one who knows what the weights are made of. Until that is done the tower is not there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from explorer.errors import FetchError, WeightsDamaged
from explorer.files import sha256_of
from explorer.progress import Progress
from models.interfaces import WeightsFile, WeightsSource

Install = Callable[[Path, Mapping[str, str]], object]  # what was brought, and its sha256 by file name
Say = Callable[[str], object]

ATTEMPTS = 5  # in a row for one file, while each brings something
SILENCE = 30.0  # seconds after which a host that sends nothing is given up
_BLOCK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Cut(Exception):
    """The host stopped sending, or did not answer."""


class _Gone(Exception):
    """The host has no such file."""


def fetch(source: WeightsSource, incoming: Path, install: Install, say: Say, progress: Progress) -> None:
    """Download the weights of a tower and install them.

    Args:
        source: where they lie.
        incoming: folder for what has arrived so far; removed in the end.
        install: takes the folder with all files; raises WeightsDamaged if they do not fit.
        say: gets what a person should know: source, licence and size first, then what was verified.
        progress: gets a file and the share of it that is here.

    Raises:
        FetchError: the host cannot be reached or refuses, the connection was cut for good, the content is not what was
            published, or the disk is full. What arrived is kept unless it is wrong; the same command goes on with it.
        WeightsDamaged: what arrived is whole, but not what this tower is made of.
    """
    say(described(source))
    with _writing(source), _only_fetch(source, incoming):
        _check_room(source, incoming, copies=2)  # what is downloaded, and what is made of it
        digests = {}
        for file in source.files:
            found, announced = _bring(source, file, incoming, progress)
            if found is not None:
                digests[found.name] = _verified(source, file.sha256, announced, found, say)
        try:
            install(incoming, digests)
        except WeightsDamaged:
            shutil.rmtree(incoming)
            raise
        shutil.rmtree(incoming)


def take(source: WeightsSource, given: Path, cache: Path, install: Install, say: Say) -> None:
    """Install weights from a file or a folder that a person already has; it is only read.

    Raises:
        FetchError: nothing is there, it is not what was published, or the disk is full.
        WeightsMissing, WeightsDamaged: files are absent, or not what this tower is made of.
    """
    if not given.exists():
        raise FetchError("There is no file or folder where --from points. Check the spelling.")
    say(described(source))
    folder, also = (given.parent, (given.name,)) if given.is_file() else (given, ())
    with _writing(source):
        _check_room(source, cache, copies=1)
        digests = {
            name: _verified(source, file.sha256, "", folder / name, say, keep=True)
            for file in source.files
            for name in (also or file.names)
            if (folder / name).is_file()
        }
        install(given, digests)


def described(source: WeightsSource) -> str:
    """Return what a person should know before the weights are taken."""
    return "\n".join(
        (
            source.name,
            f"  source   {source.page}",
            f"  licence  {source.licence}",
            f"  size     about {source.size / 1e9:.1f} GB",
        )
    )


def _bring(source: WeightsSource, file: WeightsFile, incoming: Path, progress: Progress) -> tuple[Path | None, str]:
    """Download a file under the first of its names that its host knows.

    Returns:
        the file, None if it may be left out and is not there; and the sha256 that its host announced, "" if none.
    """
    for name in file.names:
        target = incoming / name
        if target.is_file():
            return target, ""
        try:
            return target, _download(source, file.url or source.files_at + quote(name), target, progress)
        except _Gone:
            continue
    if file.optional:
        return None, ""
    raise FetchError(f"The host has no {' or '.join(file.names)} any more. {_by_hand(source)}")


def _download(source: WeightsSource, url: str, target: Path, progress: Progress) -> str:
    """Bring a whole file, going on after cuts; return the sha256 that its host announced. Raises FetchError, _Gone."""
    part, host = target.with_name(f"{target.name}.part"), urlsplit(url).hostname
    for _ in range(ATTEMPTS):
        begin = _size(part)
        try:
            announced = _receive(source, url, part, progress)
        except _Cut as error:
            if _size(part) > begin:
                continue
            if not begin:
                raise FetchError(f"{host} cannot be reached from this machine. {_by_hand(source)}") from error
            break
        part.replace(target)
        return announced
    raise FetchError(
        f"The connection to {host} was cut at {_size(part) / 1e6:,.0f} MB of {target.name}. "
        f"Say `python -m explorer fetch {source.name}` again: it goes on from there."
    )


def _receive(source: WeightsSource, url: str, part: Path, progress: Progress) -> str:
    """Append what is missing of a file; return the sha256 that its host announced.

    Raises:
        _Cut: not all of it came. _Gone: there is no such file. FetchError: the host refuses, or sends something else.
    """
    begin, redirects = _size(part), _Redirects()
    with _opened(source, url, begin, redirects) as response:
        if response.headers.get_content_type() == "text/html":
            raise FetchError(f"{urlsplit(url).hostname} answers with a page for people. {_by_hand(source)}")
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
        if response.status == 206 and not goes_on:
            raise _Cut  # a piece that was not asked for
        length = response.headers.get("Content-Length")
        total = int(length) + (begin if goes_on else 0) if length else None
        with part.open("ab" if goes_on else "wb") as file:
            for block in _blocks(response):
                file.write(block)
                progress(part.stem, file.tell() / total if total else 0.0)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and _size(part) != total:
        raise _Cut
    return redirects.announced


def _opened(source: WeightsSource, url: str, begin: int, redirects: _Redirects) -> HTTPResponse:
    """Ask for a file from a byte on."""
    said = {"Range": f"bytes={begin}-"} if begin else {}
    request = Request(url, headers={"User-Agent": "cxr-report-explorer", **said})  # noqa: S310 - addresses of ours
    try:
        return cast(HTTPResponse, build_opener(redirects).open(request, timeout=SILENCE))
    except HTTPError as error:
        if error.code == 404:
            raise _Gone from error
        if error.code == 416 and begin:  # another file lies there now
            return _opened(source, url, 0, redirects)
        raise FetchError(
            f"{urlsplit(url).hostname} refuses this file (HTTP {error.code}). {_by_hand(source)}"
        ) from error
    except (OSError, HTTPException) as error:
        raise _Cut from error


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, HTTPException) as error:
            raise _Cut from error
        if not block:
            return
        yield block


class _Redirects(HTTPRedirectHandler):
    """Follows its host to where the file lies, never out of https, and notes the sha256 it announces on the way."""

    def __init__(self) -> None:
        self.announced = ""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise HTTPError(newurl, code, "a redirect out of https", headers, fp)
        told = _SHA256.search(headers.get("X-Linked-Etag", ""))
        self.announced = told[0] if told else self.announced
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _verified(
    source: WeightsSource, published: str, announced: str, file: Path, say: Say, *, keep: bool = False
) -> str:
    """Return the sha256 of a file, once it is what its authors published, or at least what its host announced."""
    digest = sha256_of(file)
    expected = published or announced
    if expected and digest != expected:
        if not keep:
            file.unlink()
        raise FetchError(
            f"{file.name} is not what was published: its sha256 begins {digest[:12]}, not {expected[:12]}. "
            + ("Take another copy." if keep else f"It was removed; say `python -m explorer fetch {source.name}` again.")
        )
    how = "as published" if published else "as its host announced" if announced else "recorded, none published"
    say(f"  {file.name}  sha256 {digest} ({how})")
    return digest


def _by_hand(source: WeightsSource) -> str:
    single = any(file.url for file in source.files)
    return (
        f"Download from {source.page} on another machine, then say `python -m explorer fetch {source.name} "
        f"--from {'FILE' if single else 'FOLDER'}`."
    )


def _check_room(source: WeightsSource, folder: Path, copies: int) -> None:
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    free, needed = shutil.disk_usage(nearest).free, copies * source.size
    if free < needed:
        raise FetchError(
            f"{source.name} needs {needed / 1e9:.1f} GB on the disk of the cache while it is taken in; "
            f"{free / 1e9:.1f} GB are free. Make room, or name another folder in CXR_CACHE."
        )


@contextmanager
def _writing(source: WeightsSource) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FetchError(
            f"{source.name} could not be written: {error.strerror or 'the cache cannot be used'}. Make room, or name "
            "another folder in CXR_CACHE, and say the same again: what arrived is kept."
        ) from error


@contextmanager
def _only_fetch(source: WeightsSource, incoming: Path) -> Iterator[None]:
    """Keep a second command from writing into the same files. The kernel lets go of the lock of a killed one."""
    incoming.mkdir(parents=True, exist_ok=True)
    with incoming.with_name(f"{incoming.name}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(f"{source.name} is being fetched by another command. Wait for it.") from error
        yield


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
