"""What Gradio prints when something fails: where and of what kind, never what it said, which can be what was typed."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path


class Places:
    """Stands in for the module `traceback` in Gradio's server."""

    @staticmethod
    def print_exc() -> None:
        """Print the kind of the exception being handled and the line it came from."""
        error = sys.exception()
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        if frames:
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            sys.stderr.write(f"An event failed: {type(error).__name__} in {place}\n")


def print_places_only() -> None:
    """Have Gradio's server print failures in this way from now on."""
    from gradio import queueing, route_utils, routes

    for module in (queueing, route_utils, routes):
        module.traceback = Places
