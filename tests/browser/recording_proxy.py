"""A proxy on 127.0.0.1 that keeps every byte a server sends, so that a test can look for what must not be sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread


class Recorder:
    """What went from the server to the browser."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sent: list[bytes] = []

    def add(self, part: bytes) -> None:
        with self._lock:
            self._sent.append(part)

    def since(self, mark: int = 0) -> bytes:
        with self._lock:
            return b"".join(self._sent[mark:])

    def mark(self) -> int:
        with self._lock:
            return len(self._sent)


@contextmanager
def recording(port: int) -> Iterator[tuple[int, Recorder]]:
    """Yield the port to speak to, and what comes back through it from the server at `port`."""
    recorder = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=_accept, args=(listening, port, recorder), daemon=True).start()
        yield listening.getsockname()[1], recorder


def _accept(listening: socket.socket, port: int, recorder: Recorder) -> None:
    with suppress(OSError):
        while True:
            browser, _ = listening.accept()
            server = socket.create_connection(("127.0.0.1", port))
            Thread(target=_pass, args=(browser, server, None), daemon=True).start()
            Thread(target=_pass, args=(server, browser, recorder), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, recorder: Recorder | None) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            if recorder is not None:
                recorder.add(part)
            target.sendall(part)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
