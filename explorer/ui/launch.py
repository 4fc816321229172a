"""The server around the page, closed wherever Gradio's defaults are open.

Measured on Gradio 6.31: by default it looks up two outside hosts at start, keeps uploads for ever, records every
run in the browser, and lets environment variables open folders and tunnels.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import CxrError
from explorer.ui.gate import Gate, Quota
from explorer.ui.places import print_places_only
from explorer.ui.uploads import uploads_folder

if TYPE_CHECKING:
    import gradio as gr

OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
WAITING = 16  # searches in line before a new one is told that the server is busy
SESSIONS = 100  # pages whose state is kept
LOOPBACK_NAMES = ["127.0.0.1", "localhost"]


class Unguarded(CxrError):
    """The app would be reachable from other machines without a password."""


@dataclass(frozen=True)
class Door:
    """Where the app is reached, and by whom."""

    host: str = "127.0.0.1"
    port: int = 7860
    auth: tuple[str, str] | None = None  # user, password
    api: bool = False  # programs may ask too, under the same password

    def __post_init__(self) -> None:
        if self.auth is None and not self.loopback:
            raise Unguarded("Other machines could reach the app without a password. Add --auth USER:PASS.")

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach the app."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@contextmanager
def closed_environment() -> Iterator[Path]:
    """Close what environment variables could open, and keep temporary files in a private folder while inside.

    Must be entered before gradio or transformers is imported: both read the variables once. Yields the folder;
    it is deleted at the end, and the variables are as before.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith("GRADIO_"):
            del os.environ[name]
    try:
        with uploads_folder() as folder:
            os.environ.update(OFFLINE, GRADIO_TEMP_DIR=str(folder))
            yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)


def serve(blocks: gr.Blocks, door: Door, *, upload_bytes: int, blocked: Sequence[Path]) -> str:
    """Start serving in the background and return the address; `blocks.close()` ends it.

    `blocked` folders are never served, whatever else allows them.
    """
    from gradio.utils import get_upload_folder

    from explorer.ui import theme

    print_places_only()
    quota = Quota(Path(get_upload_folder()), upload_bytes)
    blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    _, address, _ = blocks.launch(
        server_name=door.host,
        server_port=door.port,
        auth=door.auth,
        share=False,
        max_file_size=upload_bytes,
        show_error=False,
        run_history=False,
        allowed_paths=[],
        blocked_paths=[str(folder) for folder in blocked],
        strict_cors=True,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        footer_links=[],
        state_session_capacity=SESSIONS,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
        theme=theme.gradio_theme(),
        head=theme.head(),
        app_kwargs={"middleware": _middleware(door, quota), "docs_url": None, "redoc_url": None, "openapi_url": None},
    )
    return str(address)


def _middleware(door: Door, quota: Quota) -> list[Any]:
    """On loopback the host name is checked too: a name that an outsider points at 127.0.0.1 is refused."""
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    names = LOOPBACK_NAMES if door.loopback else ["*"]
    gate = Middleware(Gate, quota=quota, limited=not door.loopback, programs=door.api)
    return [gate, Middleware(TrustedHostMiddleware, allowed_hosts=names)]
