"""Asking a language model behind an OpenAI-compatible endpoint, at most once for each prompt.

Off until `CXR_LLM_URL` names an endpoint. Reports are patient data: they go to this machine only, unless
`CXR_LLM_HOST` names the one other host they may go to; no proxy is used and no redirection followed. Answers are
kept in a folder under the sha256 of prompt and model, usable or not, so that nothing is sent twice; deleting the
folder forgets them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from explorer.errors import Damaged, EndpointError
from explorer.files import write_atomically

LARGEST_ANSWER = 1_000_000  # bytes
_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible service and one of its models.

    Raises:
        EndpointError: the address is no http address, or of another machine than this one and `host`.
    """

    url: str  # up to and without "/chat/completions", e.g. "http://127.0.0.1:8000/v1"
    model: str
    key: str = field(default="", repr=False)
    host: str = ""  # the one other machine that reports may be sent to
    seconds: float = 120.0  # to wait for an answer

    def __post_init__(self) -> None:
        host = _host(self.url)
        if not host or not self.model:
            raise EndpointError("CXR_LLM_URL and CXR_LLM_MODEL do not name a language model. Correct them.")
        if not _is_this_machine(host) and host != self.host.lower():
            raise EndpointError(
                "The language model is on another machine, and reports are not sent there. If they may be, name that "
                "machine in CXR_LLM_HOST."
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Endpoint | None:
        """Return the endpoint that `CXR_LLM_URL`, `_MODEL`, `_KEY` and `_HOST` describe, None if none is named."""
        if not environment.get("CXR_LLM_URL"):
            return None
        url, model, key, host = (environment.get(f"CXR_LLM_{name}", "") for name in ("URL", "MODEL", "KEY", "HOST"))
        return cls(url, model, key, host)


class Chat:
    """Asks one endpoint and remembers what it answered. Threads and processes may share a folder."""

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self._endpoint = endpoint
        self._folder = folder
        # No proxy of the environment, no redirection: both would carry a report to a machine nobody named.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Staying())

    def ask(self, prompt: str) -> str | None:
        """Return what the model answers to a prompt, None if the service's answer was not in the agreed form.

        Raises:
            EndpointError: no answer came. Nothing is kept then, and the prompt may be asked again.
            Damaged: an answer kept earlier cannot be read.
        """
        name = hashlib.sha256(json.dumps([self._endpoint.model, prompt]).encode()).hexdigest()
        with self._only_one(name):
            file = self._folder / f"{name}.json"
            if file.exists():
                return _kept(file)
            answer = _content(self._sent(prompt))
            write_atomically(file, lambda out: out.write(json.dumps({"answer": answer}).encode()))
            return answer

    def _sent(self, prompt: str) -> bytes:
        """Return the bytes the service answers with."""
        endpoint = self._endpoint
        body = {"model": endpoint.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0}
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        request = urllib.request.Request(  # noqa: S310 - http or https, of an allowed host: see Endpoint
            f"{endpoint.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers
        )
        try:
            with self._opener.open(request, timeout=endpoint.seconds) as answer:
                content: bytes = answer.read(LARGEST_ANSWER + 1)
        except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
            raise EndpointError("The language model did not answer. See that it runs, then try again.") from error
        return content

    @contextmanager
    def _only_one(self, name: str) -> Iterator[None]:
        """Let others who ask the same wait, so that they find the answer; the kernel frees a killed one's lock."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / f"lock-{name[:2]}").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nothing: the redirection then counts as an error."""


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in _SCHEMES else ""
    except ValueError:
        return ""


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _content(raw: bytes) -> str | None:
    """Return `choices[0].message.content` of an answer, None if it has none."""
    try:
        content: Any = json.loads(raw)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return content if isinstance(content, str) else None


def _kept(file: Path) -> str | None:
    try:
        answer: str | None = json.loads(file.read_bytes())["answer"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Damaged("A kept answer of the language model cannot be read. Delete the folder of answers.") from error
    return answer
