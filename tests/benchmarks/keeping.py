"""The one option of a benchmark that runs by itself."""

from __future__ import annotations

import argparse
from pathlib import Path


def kept_in(about: str | None) -> Path | None:
    """Read the command line: the JSON file that what is measured goes to, None for the screen alone."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--save", type=Path, help="a JSON file for what is measured")
    save: Path | None = parser.parse_args().save
    return save
