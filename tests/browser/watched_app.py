"""The app as it is, in a process that writes down every host outside that it looks up or connects to.

python tests/browser/watched_app.py FILE [arguments of app.py]
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSIDE = ("127.", "localhost", "::1")


def main(spied: Path, arguments: list[str]) -> None:
    spied.touch()

    def watch(event: str, told: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            note(told[0])
        elif event in ("socket.connect", "socket.sendto") and isinstance(told[1], tuple):
            note(told[1][0])

    def note(host: object) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes) else host
        if isinstance(name, str) and name and not name.startswith(INSIDE):
            with spied.open("a") as lines:
                lines.write(f"{name}\n")

    sys.addaudithook(watch)
    sys.argv = ["app.py", *arguments]
    sys.path.insert(0, str(ROOT))
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
