from __future__ import annotations

import re
from dataclasses import replace

import pytest

from explorer.__main__ import main
from explorer.compose import towers
from explorer.doctor import Line, examine, next_step
from explorer.settings import Settings


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What doctor says on a machine with nothing fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        return {line.what: line for line in examine(Settings(encoder="minilm"))}


def test_every_known_tower_has_a_line(lines):
    assert [what for what in lines if what.startswith("encoder ")] == [f"encoder {state.name}" for state in towers()]


def test_a_tower_that_comes_with_the_product_is_ready_and_the_chosen_one_was_loaded(lines):
    assert lines["encoder pocket"] == Line("encoder pocket", "ready", True)
    assert re.fullmatch(r"ready, loaded: (bf16|fp32) on (cpu|cuda)", lines["encoder minilm"].state)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("llm2vec4cxr", r"can be fetched, about 2\.5 GB, licence: MIT; its base, Llama 3\.2, .*"),
        ("llm2clip4cxr", r"can be fetched, about 6\.3 GB, licence: MIT; .*"),
        ("bioclinicalbert", r"can be fetched, about 0\.4 GB, licence: MIT"),
        ("clinicalbert", r"can be fetched, about 0\.5 GB, licence: none stated by its authors"),
    ],
)
def test_a_tower_that_can_be_fetched_says_size_licence_and_command(lines, name, said):
    line = lines[f"encoder {name}"]
    assert re.fullmatch(said, line.state)
    assert line.remedy == f"python -m explorer fetch {name}"
    assert (line.fine, line.mark) == (True, "get")


def test_a_large_tower_says_that_it_wants_a_gpu_only_where_there_is_none(lines):
    large = {what for what, line in lines.items() if "wants a GPU" in line.state}
    names = {"encoder llm2vec4cxr", "encoder llm2vec4cxr-mean", "encoder llm2clip4cxr"}
    assert large == (names if lines["GPU"].state.startswith("none") else set())


def test_a_chosen_tower_that_is_not_here_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    assert main(["doctor", "--encoder", "cxr-bert"]) == 2
    said = capsys.readouterr()
    assert re.search(r"^MISS  encoder cxr-bert: .*fetch cxr-bert`", said.out, re.MULTILINE)
    assert re.search(r"^get   encoder llm2vec4cxr: ", said.out, re.MULTILINE)
    assert re.search(r"^ok    corpus: ", said.out, re.MULTILINE)
    assert said.err.count("\n") == 1


def test_with_a_gpu_the_next_step_is_the_papers_towers_one_after_the_other():
    here = [replace(state, lacking="") for state in towers()]
    away = [replace(state, lacking="x" if state.source else "") for state in towers()]
    assert next_step(away, "NVIDIA X").startswith(
        "`python -m explorer fetch llm2vec4cxr`, then `python -m explorer fetch llm2clip4cxr`, then `python app.py"
    )
    assert next_step(here, "NVIDIA X").startswith("`python app.py --encoder llm2vec4cxr`")


def test_without_a_gpu_the_next_step_is_the_tower_that_came_along():
    said = next_step(towers(), "")
    assert said.startswith("`python app.py`: pocket")
    assert "100 reports a minute and core" in said
