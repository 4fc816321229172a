from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_explorer import FakeExplorer
from made_results import write
from ports import free_port

from explorer.settings import Settings
from explorer.ui.launch import Door, closed_environment, serve

ASSETS = Path(__file__).parents[3] / "assets"


@dataclass(frozen=True)
class Served:
    """A page that is being served on top of the made-up engine."""

    address: str  # ends with /
    uploads: Path
    explorer: FakeExplorer


@pytest.fixture
def explorer(tmp_path: Path) -> FakeExplorer:
    return FakeExplorer(settings=Settings(cache=tmp_path / "cache", data=tmp_path / "data"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), data=tmp_path_factory.mktemp("data"))
    with closed_environment() as uploads:
        from explorer.ui.blocks import build_blocks

        explorer = FakeExplorer(settings=settings)
        blocks = build_blocks(explorer, write(tmp_path_factory.mktemp("results")))
        door = Door(port=free_port())
        address = serve(blocks, door, upload_bytes=settings.limits.upload_bytes, blocked=(settings.cache, ASSETS))
        yield Served(address, uploads, explorer)
        blocks.close(verbose=False)
