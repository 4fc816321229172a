from __future__ import annotations

from pathlib import Path

import made_trees
import pytest


@pytest.fixture
def mimic(tmp_path: Path) -> Path:
    """The root of a small MIMIC-CXR."""
    return made_trees.mimic(tmp_path / "mimic")
