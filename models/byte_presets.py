"""Trained towers in 8 bits: presets that are made and measured on this machine, `python -m training.quantize NAME`.

They are there only as long as the tower that they were made of is. Nothing heavy is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.interfaces import cache_folder

BYTE_TOWERS = {"pocket-int8": "pocket"}  # preset → trained tower
_MANIFEST = "manifest.json"


def byte_folder(tower: str) -> Path:
    """Return where the 8-bit weights of a trained tower are kept."""
    return cache_folder() / "weights" / f"{tower}-int8"


def byte_manifest(trained: Path) -> Mapping[str, Any] | None:
    """Return what was written of the 8-bit weights of a trained tower when they were made.

    Args:
        trained: the folder of the tower's report side.

    Returns:
        None where there are none, or where they were made of other weights than those in the folder.
    """
    try:
        tower = _read(trained / _MANIFEST)
        made = _read(byte_folder(tower["name"]) / _MANIFEST)
        return made if made["made_of"] == tower["files"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def byte_note(made: Mapping[str, Any]) -> str:
    """Return in words for the screen how the 8-bit weights fall short, as it was measured when they were made."""
    measured = made.get("measured")
    if measured is None:
        return "8-bit weights that were not measured"
    return (
        f"8-bit weights: {measured['overlap']:.1%} of the ten nearest are those of fp32 (n {made['reports']}), "
        f"{measured['speedup']:.1f} times as fast, measured here on {made['date']}"
    )


def _read(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return told
