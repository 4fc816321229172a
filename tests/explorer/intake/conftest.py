from __future__ import annotations

from collections.abc import Iterator

import pytest

from explorer.intake.sandbox import Intake
from explorer.settings import Limits


@pytest.fixture(scope="session")
def intake() -> Iterator[Intake]:
    with Intake(Limits()) as shared:
        yield shared
