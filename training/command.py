"""The command line every stage shares: RECIPE.toml [--resume]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from models.interfaces import CxrError
from training.loop import join_workers

RUNS = Path("runs")


def stage_command(about: str, run: Callable[[Path, bool], None]) -> None:
    """Parse the command line and run the stage; an error is one line on stderr and status 2."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("recipe", type=Path, help="a TOML recipe, see training/recipes")
    parser.add_argument("--resume", action="store_true", help="go on with the run from its newest state")
    arguments = parser.parse_args()
    join_workers()  # each takes its own device before anything is put on one
    try:
        run(arguments.recipe, arguments.resume)
    except CxrError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
