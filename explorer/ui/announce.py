"""What the browser shows by itself, before and instead of an answer from the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from explorer.ui.theme import QUIET


def at_once(listen: Callable[..., object], shown: Mapping[Any, object]) -> None:
    """Let the browser show values without the server, which may be busy, or what is missing.

    Args:
        listen: adds a listener to an event, such as `button.click`; what is added first runs first.
        shown: part of the page → what it shows.
    """
    values = list(shown.values())
    script = f"() => {json.dumps(values if len(values) > 1 else values[0])}"
    listen(None, outputs=list(shown), js=script, **QUIET)
