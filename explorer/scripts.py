"""The one script of another project that a browser runs: Plotly's, from where pip put it. It is never downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from explorer.errors import CxrError


def plotly_script() -> Path:
    """Return where the installed package keeps its script for browsers. Raises CxrError if it is not installed."""
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise CxrError("The package plotly is not installed, and maps need it. `make run` installs what is missing.")
    return Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
