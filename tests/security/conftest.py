from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "explorer" / "intake")]  # the made-up films

from house import House, house  # noqa: E402
from visitor import Visitor  # noqa: E402

from explorer.ui.launch import closed_environment  # noqa: E402


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The product, served once for all tests here."""
    with closed_environment() as uploads, house(tmp_path_factory.mktemp("home"), uploads, free_port()) as served:
        yield served


@pytest.fixture
def visitor(home: House) -> Iterator[Visitor]:
    with home.client() as client:
        yield Visitor(client)
