"""Whether a run follows the curve that shipped weights were made by, as far as it has come.

    python -m training.again runs/pocket-mntp assets/pocket/text

The weights' manifest holds the loss of every step of the stages that made them. Another processor or another number of
threads rounds otherwise, so equal steps are compared within a tolerance. Status 0: it follows; 2: it does not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.checkpoint import open_checkpoint
from models.interfaces import CxrError
from training.loop import Run

TOLERANCE = 0.05  # of the mean difference of the losses, relative to their mean


def difference(losses: Sequence[float], recorded: Sequence[float]) -> float:
    """Return the mean absolute difference over the steps that both have, relative to the recorded losses' mean.

    Raises CxrError if no step is in both.
    """
    both = list(zip(losses, recorded, strict=False))
    if not both:
        raise CxrError("The run has made no step that was recorded. Let it go on for a while.")
    return sum(abs(one - other) for one, other in both) / sum(abs(other) for _, other in both)


def recorded(weights: Path, run: str) -> list[float]:
    """Return the recorded losses of a stage, named as its run folder. Raises CxrError if no stage has that name."""
    stages = open_checkpoint(weights).manifest["stages"]
    found = next((stage["losses"] for stage in stages if stage["run"] == run), None)
    if found is None:
        raise CxrError(
            f"No stage of these weights is called {run!r}. They have: {', '.join(s['run'] for s in stages)}."
        )
    return list(found)


def main() -> None:
    """Compare, print the difference, and say by the status whether it is within the tolerance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a run, named as the stage it repeats")
    parser.add_argument("weights", type=Path, help="the folder of the shipped weights")
    asked = parser.parse_args()
    try:
        losses = [line["loss"] for line in Run(asked.run).curve() if "loss" in line]
        apart = difference(losses, recorded(asked.weights, asked.run.name))
    except CxrError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    follows = apart <= TOLERANCE
    verdict = "follows the recorded curve" if follows else "does not follow the recorded curve"
    print(f"{len(losses)} steps: {verdict}, mean difference {apart:.2%} of the loss")
    sys.exit(0 if follows else 2)


if __name__ == "__main__":
    main()
