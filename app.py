"""Start the web app: settings → explorer.compose → UI → hardened launch; nothing else.

python app.py [--host 127.0.0.1] [--port 7860] [--corpus openi] [--encoder pocket] [--auth USER:PASS] [--api]
python app.py --reviewers [--host …] [--auth USER:PASS]
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import CxrError
from explorer.progress import terminal_progress
from explorer.settings import Settings
from explorer.ui.launch import Door, closed_environment, serve

if TYPE_CHECKING:
    import gradio as gr

    from explorer.search import Explorer

HERE = Path(__file__).parent
FIRST_QUESTION = 4.0  # seconds after the start in which a question need not share the machine with what films need


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return 0, or 2 if the app cannot start."""
    options = _parser().parse_args(arguments)
    try:
        door = Door(options.host, options.port, options.auth, options.api)
        shared = not door.loopback
        settings = Settings(corpus=options.corpus, encoder=options.encoder, cluster=options.cluster, shared=shared)
        (run_for_reviewers if options.reviewers else run)(settings, door)
    except (CxrError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(settings: Settings, door: Door) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = _stop()
    with closed_environment():
        from explorer.compose import compose
        from explorer.standing_in import start

        show = terminal_progress(sys.stderr)
        # Weights are read while the page's library loads, which takes seconds.
        with _uncollected(), ThreadPoolExecutor(1) as beside:
            begun = beside.submit(start, settings, compose, show)
            from explorer.ui.blocks import build_blocks

            started = begun.result()
        explorer = started.explorer
        if started.said:
            sys.stderr.write(f"{started.said}\n")
        blocks = _served(build_blocks(explorer, api=door.api, said=started.said), settings, door)
        threading.Thread(target=_prepare_films, args=(explorer, stop), daemon=True).start()
        stop.wait()
        blocks.close(verbose=False)
        explorer.close()


def run_for_reviewers(settings: Settings, door: Door) -> None:
    """Serve the Review page alone until SIGINT or SIGTERM: it names no model before a reviewer is done."""
    stop = _stop()
    with closed_environment():
        from explorer.ui.door import build_door

        blocks = _served(build_door(settings.data), settings, door)
        stop.wait()
        blocks.close(verbose=False)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cycles among what is loaded: a quarter of the start, and later a pause of the answers."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _stop() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _served(blocks: gr.Blocks, settings: Settings, door: Door) -> gr.Blocks:
    blocked = (settings.cache, settings.data, HERE / "assets")
    address = serve(blocks, door, upload_bytes=settings.limits.upload_bytes, blocked=blocked)
    sys.stdout.write(f"CXR Report Explorer is at {address}\n")
    sys.stdout.flush()
    return blocks


def _prepare_films(explorer: Explorer, stop: threading.Event) -> None:
    """Get ready for films while the page is already open; what goes wrong is told to whoever drops the first one."""
    if stop.wait(FIRST_QUESTION):
        return
    with suppress(CxrError):
        try:
            explorer.prepare("image")
        except RuntimeError:  # Python starts no thread any more once it ends
            if not stop.is_set():
                raise


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(description="Search chest X-ray reports by dictated text or by radiograph.")
    parser.add_argument("--host", default=Door.host, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=Door.port)
    parser.add_argument("--corpus", default=default.corpus, help="reports to search in")
    parser.add_argument("--encoder", default=default.encoder, help="encoder chosen at first")
    parser.add_argument("--cluster", default=default.cluster, metavar="ADDRESS", help="Milvus that holds the vectors")
    parser.add_argument("--reviewers", action="store_true", help="serve the Review page alone, for blinded reviewers")
    parser.add_argument("--api", action="store_true", help="answer programs too: see docs/api.md (default: off)")
    parser.add_argument("--auth", type=_user_and_password, metavar="USER:PASS", help="needed beyond this machine")
    return parser


def _user_and_password(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("write it as USER:PASS, neither of them empty")
    return user, password


if __name__ == "__main__":
    status = main()
    gc.freeze()  # else the end of the interpreter looks for cycles among a million objects, for two seconds
    sys.exit(status)
