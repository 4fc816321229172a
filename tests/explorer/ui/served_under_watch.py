"""Serve the page on the made-up engine, fetch it once, stop; print every host outside that was asked for."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

INSIDE = ("127.", "localhost", "::1")


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        report(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        report(arguments[1][0])


def report(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name and not name.startswith(INSIDE):
        sys.stdout.write(f"{name}\n")


def main() -> None:
    sys.addaudithook(watch)
    from made_explorer import FakeExplorer
    from ports import free_port

    from explorer.settings import Settings
    from explorer.ui.launch import Door, closed_environment, serve

    with closed_environment(), tempfile.TemporaryDirectory() as cache:
        import httpx

        from explorer.ui.blocks import build_blocks

        settings = Settings(cache=Path(cache))
        blocks = build_blocks(FakeExplorer(settings=settings))
        address = serve(blocks, Door(port=free_port()), upload_bytes=1_000, blocked=(settings.cache,))
        sys.stdout.write("served\n" if httpx.get(address).status_code == 200 else "not served\n")
        blocks.close(verbose=False)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]
    main()
