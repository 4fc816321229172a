from __future__ import annotations

import pytest
import torch
from made_corpus import write_package

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def made_corpus(tmp_path_factory):
    """Put the made-up reports in the place of Open-I's package."""
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
