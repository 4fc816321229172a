from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator
from made_corpus import write_package
from tiny_models import write_bert, write_llama

from models.interfaces import cache_folder
from training.loop import Workers

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made_package(tmp_path_factory):
    """A folder to import from, and a cache for what is made of it; weights stay where they were converted to."""
    folder, weights = tmp_path_factory.mktemp("made"), cache_folder() / "weights"
    write_package(folder)
    weights.mkdir(parents=True, exist_ok=True)
    (folder / "cache").mkdir()
    (folder / "cache" / "weights").symlink_to(weights)
    return folder


@pytest.fixture(scope="module")
def made_corpus(made_package):
    """Put the made-up reports in the place of Open-I's package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made_package))
        patch.setenv("CXR_CACHE", str(made_package / "cache"))
        yield made_package


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory):
    """A folder with a random Llama of two layers, in the hub's layout."""
    return write_llama(tmp_path_factory.mktemp("hub") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder with a random BERT of two layers, in the hub's layout."""
    return write_bert(tmp_path_factory.mktemp("hub") / "tiny-bert")


@pytest.fixture(scope="session")
def workers():
    """A training of one process, in full precision."""
    return Workers(Accelerator(mixed_precision="no"))
