"""What stands before Gradio: what is asked for is let in or not, and every answer carries the security headers.

Gradio takes any number of files of any kind before our code sees one, keeps a file under its own name, gives two
people who send the same film one copy of it, and lets a password be guessed as fast as the line allows.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.scripts import plotly_script
from explorer.ui.places import Places

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio's page needs inline scripts and builds functions from text; everything still comes from this server only.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# All that the page asks for. Gradio offers some sixty routes more, among them a proxy and a file server.
ROUTES = (
    "/config",
    "/theme.css",
    "/assets/",
    "/static/",
    "/favicon.ico",
    "/manifest.json",
    "/login",
    "/logout",
    "/gradio_api/info",
    "/gradio_api/startup-events",
    "/gradio_api/app_id",  # whether a server that was away is back: a number that says nothing else
    "/gradio_api/heartbeat/",
    "/gradio_api/queue/",
    "/gradio_api/upload",
    "/gradio_api/cancel",
    "/gradio_api/reset",
)
PLOTLY = "/scripts/plotly.js"  # the one file that is served from an installed package, by us and not by Gradio
CALL = "/gradio_api/call/"  # where programs ask, if the app was started for them
OFFERED = tuple(f"{CALL}{name}" for name in ("search", "expand", "compare", "neighbours"))  # and for nothing else
LOGIN, ASK, UPLOAD = "/login", "/gradio_api/queue/join", "/gradio_api/upload"

FORM_BYTES = 64 * 1024  # what a form adds to the file in it
QUESTION_BYTES = 256 * 1024  # a question is a few options and a text of 4,000 characters at most
HELD_FILES = 4  # uploads of the largest size that may lie on the disk at once
MINUTE = 60.0
LOGINS, UPLOADS, QUESTIONS = 10, 30, 600  # per address and minute; each letter typed asks a question
STALLED, LATE = 30.0, 600.0  # seconds between two parts of what is sent, and for the whole of it
ADDRESSES = 10_000  # whose requests are remembered; the oldest are forgotten

TOO_OFTEN = "Too many requests from this address. Wait a minute and try again."
TOO_LARGE = "The upload is larger than allowed. Export a smaller file."
ELSEWHERE = "This was asked by a page of another site. Open the app itself."
TOO_SLOW = "What was sent took too long to arrive. Try again."
UNKNOWN_LENGTH = "The length of the upload is not stated."
FULL = "The server holds too many uploads at the moment. Try again in a minute."
NOTHING = "Nothing here."
FAILED = "This request could not be answered."


@dataclass(frozen=True)
class Quota:
    """What uploads may take, and where they lie."""

    folder: Path
    file_bytes: int

    def refusal(self, announced: str) -> tuple[int, str] | None:
        """Return status and words for an upload that is not taken; None for one that is."""
        if not announced.isdecimal():
            return 411, UNKNOWN_LENGTH
        if int(announced) > self.file_bytes + FORM_BYTES:
            return 413, TOO_LARGE
        if self._held() + int(announced) > HELD_FILES * (self.file_bytes + FORM_BYTES):
            return 503, FULL
        return None

    def settle(self, body: bytes) -> bytes:
        """Give each file that Gradio has stored a place and a name nobody can guess; return the answer that says so.

        Gradio's own are the sha256 of the content and the name the sender chose, which can be a patient's.
        """
        try:
            stored = [Path(path) for path in json.loads(body)]
        except (ValueError, TypeError):
            return body
        return json.dumps([str(self._moved(path)) for path in stored]).encode()

    def _moved(self, path: Path) -> Path:
        place = self.folder / secrets.token_hex(16)
        place.mkdir(mode=0o700)
        with suppress(OSError):
            moved = path.rename(place / "film")
            path.parent.rmdir()
            return moved
        return path if path.exists() else place / "film"

    def _held(self) -> int:
        held = 0
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # gone in the meantime
                held += path.lstat().st_size if path.is_file() else 0
        return held


class Rate:
    """At most so many requests per address in any minute."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._times: dict[str, list[float]] = {}

    def passes(self, address: str) -> bool:
        """Count a request and return whether it may pass."""
        now = self._clock()
        recent = [then for then in self._times.pop(address, []) if now - then < MINUTE]
        allowed = len(recent) < self._limit
        self._times[address] = [*recent, now] if allowed else recent
        while len(self._times) > ADDRESSES:
            del self._times[next(iter(self._times))]
        return allowed


class InTime:
    """What a client sends, as long as it keeps sending: one that stalls counts as gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._until = time.monotonic() + LATE
        self._whole = False
        self.given_up = False

    async def receive(self) -> Message:
        """Return the next message; once the whole request is here, whoever waits for an answer may wait."""
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), min(STALLED, self._until - time.monotonic()))
        except TimeoutError:
            self._whole = self.given_up = True
            return {"type": "http.disconnect"}
        self._whole = not (message["type"] == "http.request" and message.get("more_body", False))
        return message


class Gate:
    """Lets through what `ROUTES` names, so often, so large, and adds `HEADERS` to every answer.

    `limited` is off where only this machine can reach the app: then everything has one address, and no proxy stands
    before it. `programs` opens the addresses of the endpoints that `explorer.ui.api` offers.
    """

    def __init__(self, app: ASGIApp, quota: Quota, *, limited: bool, programs: bool = False) -> None:
        self.app = app
        self._offered = OFFERED if programs else ()
        # Gradio builds the page's own address from these; the second is a proxy's to set.
        self._ignored = (b"x-gradio-server",) if limited else (b"x-gradio-server", b"x-forwarded-host")
        self._quota = quota
        rates = {LOGIN: LOGINS, UPLOAD: UPLOADS, ASK: QUESTIONS}
        self._rates = {path: Rate(limit) for path, limit in rates.items() if limited or path == LOGIN}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say why not. What Gradio fails on is answered in our words, and printed as a place."""
        from starlette.datastructures import MutableHeaders

        begun = False
        sent = InTime(receive)
        if scope["type"] in ("http", "websocket"):
            named = [(name, value) for name, value in scope["headers"] if name.lower() not in self._ignored]
            scope = {**scope, "headers": named}

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            await self._answer(scope, sent.receive, send_with_headers)
        except Exception:
            if begun or scope["type"] != "http":
                raise
            Places.print_exc()
            await _say(*(408, TOO_SLOW) if sent.given_up else (500, FAILED))(scope, receive, send_with_headers)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            await _say(*refusal)(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == PLOTLY:
            await _plotly()(scope, receive, send)
        elif scope["type"] == "http" and _path(scope) == UPLOAD:
            await self.app(scope, receive, _settled(self._quota, send))
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if scope["type"] == "lifespan":
            return None
        path = _path(scope)
        if not (path in ("", PLOTLY) or scope["path"].startswith(ROUTES) or self._is_offered(path)):
            return 404, NOTHING
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        if _is_of_another_site(scope):
            return 403, ELSEWHERE
        rate = self._rates.get(ASK if path.startswith(CALL) else path)
        if rate is not None and not rate.passes(_address(scope)):
            return 429, TOO_OFTEN
        length = _stated_length(scope)
        if path == UPLOAD:
            return self._quota.refusal(length)
        if not length.isdecimal():
            return 411, UNKNOWN_LENGTH
        return (413, TOO_LARGE) if int(length) > QUESTION_BYTES else None

    def _is_offered(self, path: str) -> bool:
        """Say whether a path is an endpoint for programs, or an answer of one: Gradio would call any event by name."""
        return path in self._offered or path.rpartition("/")[0] in self._offered


def _say(status: int, words: str) -> ASGIApp:
    from starlette.responses import JSONResponse

    later = {"Retry-After": "60"} if status in (429, 503) else {}
    return JSONResponse({"detail": words, "error": words}, status, later)


def _plotly() -> ASGIApp:
    """Return the answer that is Plotly's script, from where pip put it; the browser keeps it until it changes."""
    from starlette.responses import FileResponse

    return FileResponse(plotly_script(), media_type="text/javascript", headers={"Cache-Control": "no-cache"})


def _settled(quota: Quota, send: Send) -> Send:
    """Hold back the answer to an upload until its files lie where nobody finds them."""
    held: list[Message] = []
    body: list[bytes] = []

    async def send_settled(message: Message) -> None:
        if message["type"] != "http.response.body":
            held.append(message)
            return
        body.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        whole = b"".join(body)
        start = held[0]
        settled = quota.settle(whole) if start["status"] == 200 else whole
        others = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        length = (b"content-length", str(len(settled)).encode())
        await send({**start, "headers": [*others, length]})
        await send({"type": "http.response.body", "body": settled})

    return send_settled


def _path(scope: Scope) -> str:
    return str(scope["path"]).rstrip("/")


def _address(scope: Scope) -> str:
    """Return who asks; of IPv6 the /64, which is what one household or one attacker has."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return ""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


def _is_of_another_site(scope: Scope) -> bool:
    """Say whether a page of another site asks, which a browser tells; a program that is no browser tells nothing."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    origin = headers.get(b"origin")
    here = {headers.get(b"host", ""), headers.get(b"x-forwarded-host", "").partition(",")[0].strip()}
    if headers.get(b"sec-fetch-site") == "cross-site":
        return True
    return origin is not None and origin.partition("://")[2] not in here - {""}


def _stated_length(scope: Scope) -> str:
    """Return what the request says of its length; "" where it says nothing, or sends in chunks of which none tells."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    return "" if b"transfer-encoding" in headers else headers.get(b"content-length", b"").decode("latin-1")
