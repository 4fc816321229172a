"""The edge to packages that are not installed: small fakes with the real ones' names, signatures and answers.

Each fake gives a pair the share of the candidate's words that the reference holds, so that swapped sides show.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from explorer.errors import CxrError, MetricMissing
from explorer.metrics import published

PACKAGES = {
    "CheXbert macro-F1": "f1chexbert",
    "RadGraph F1": "radgraph",
    "RaTEScore": "RaTEScore",
    "GREEN": "green_score",
    "BLEU": "sacrebleu",
    "ROUGE-L": "rouge_score",
}
# 2 of 4 words and 1 of 1: 0.75; with sides swapped 2 of 2 and 1 of 4: 0.625.
CANDIDATES = ["small effusion, no pneumothorax", "clear"]
REFERENCES = ["small effusion,", "clear lungs and pleura"]

SHARE = """
def share(candidate, reference):
    words = candidate.split()
    return sum(word in reference.split() for word in words) / len(words)

def mean(candidates, references):
    assert type(candidates) is list and type(references) is list
    return sum(map(share, candidates, references)) / len(candidates)
"""
FAKES = {
    "f1chexbert": """
class F1CheXbert:
    def __init__(self, refs_filename=None, hyps_filename=None, device=None, **kwargs):
        assert device == "cpu"

    def __call__(self, hyps, refs):
        report = {"micro avg": {"f1-score": 0.1}, "macro avg": {"precision": 0.2, "f1-score": mean(hyps, refs)}}
        return 0.3, [0.4], report, {"macro avg": {"f1-score": 0.5}}
""",
    "radgraph": """
class F1RadGraph:
    def __init__(self, reward_level, model_type=None, *, batch_size=1, cuda=None):
        assert reward_level in ["simple", "partial", "complete"]
        assert model_type in ["radgraph", "radgraph-xl"] and cuda == -1
        print("Using device: cpu")

    def __call__(self, refs, hyps):
        return mean(hyps, refs), list(map(share, hyps, refs)), [], []
""",
    "RaTEScore": """
class RaTEScore:
    def __init__(self, bert_model="", eval_model="", batch_size=1, use_gpu=True, visualization_path=None):
        assert not use_gpu

    def compute_score(self, candidate_list, reference_list):
        return list(map(share, candidate_list, reference_list))
""",
    "green_score": """
class GREEN:
    def __init__(self, model_name=None, output_dir=".", cpu=False, compute_summary_stats=True):
        assert model_name == "StanfordAIMI/GREEN-radllama2-7b" and cpu
        self.folder, self.summary = output_dir, compute_summary_stats

    def __call__(self, refs, hyps):
        with open(self.folder + "/results.csv", "w") as file:
            file.write(hyps[0])
        print(hyps[0])
        mean = 0.9 if self.summary else None
        return mean, None, list(map(share, hyps, refs)), None, "table"
""",
    "sacrebleu": """
class BLEUScore:
    def __init__(self, score):
        self.score = score

def corpus_bleu(hypotheses, references, smooth_method="exp"):
    (only,) = references
    return BLEUScore(100 * mean(hypotheses, only))
""",
    "rouge_score": """
class Score:
    def __init__(self, fmeasure):
        self.precision, self.recall, self.fmeasure = 0.1, 0.2, fmeasure

class RougeScorer:
    def __init__(self, rouge_types, use_stemmer=False):
        self.types = rouge_types

    def score(self, target, prediction):
        return {name: Score(share(prediction, target)) for name in self.types}
""",
}
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package of one module where Python looks first, and forget it afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(package: str, source: str) -> None:
        folder = tmp_path / package
        folder.mkdir()
        scorer = "rouge_scorer.py" if package == "rouge_score" else "__init__.py"
        (folder / "__init__.py").touch()
        (folder / scorer).write_text(source)

    yield write
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in FAKES:
            del sys.modules[name]


def failing(error: str) -> str:
    return f"class F1RadGraph:\n    def __init__(self, *args, **kwargs):\n        {error}\n"


def test_the_names_are_the_authors_own():
    assert published.names() == tuple(PACKAGES)


@pytest.mark.parametrize(("name", "package"), PACKAGES.items())
def test_each_metric_asks_its_package_with_candidates_and_references_in_place(
    install: Install, name: str, package: str
):
    install(package, SHARE + FAKES[package])
    assert published.score(name, CANDIDATES, tuple(REFERENCES)) == pytest.approx(0.75)


@pytest.mark.parametrize(("name", "package"), PACKAGES.items())
def test_a_package_that_is_not_installed_is_named_with_the_way_to_install_it(name: str, package: str):
    with pytest.raises(MetricMissing, match=rf"The package {package} is not installed: pip install \S+$") as caught:
        published.score(name, CANDIDATES, REFERENCES)
    assert isinstance(caught.value, CxrError)
    assert published.available()[name] == str(caught.value)


def test_what_is_available_is_found_without_importing_it(install: Install):
    install("sacrebleu", "raise RuntimeError('imported')")
    missing = published.available()
    assert set(missing) == set(published.names())
    assert [name for name, reason in missing.items() if not reason] == ["BLEU"]
    assert "sacrebleu" not in sys.modules


@pytest.mark.parametrize(
    "error",
    [
        "raise FileNotFoundError(2, 'No such file', 'weights.th')",
        "raise ConnectionError('offline')",
        "raise OSError('We could not connect to load the files, and could not find them in the cache')",
        "import huggingface_hub.errors as hub; raise hub.LocalEntryNotFoundError('not in the cache')",
        "from huggingface_hub import hf_hub_download as get; get('nobody/nothing', 'weights.tar.gz')",
    ],
)
def test_weights_that_are_not_there_are_said_to_be_missing(install: Install, error: str):
    install("radgraph", failing(error))
    with pytest.raises(MetricMissing, match="The weights of radgraph are not on this machine"):
        published.score("RadGraph F1", CANDIDATES, REFERENCES)


def test_a_download_failure_wrapped_as_radgraph_wraps_it_is_still_understood(install: Install):
    wrapped = """try:
            raise ConnectionError('offline')
        except Exception as error:
            raise Exception(error)"""
    install("radgraph", failing(wrapped))
    with pytest.raises(MetricMissing, match="weights of radgraph"):
        published.score("RadGraph F1", CANDIDATES, REFERENCES)


def test_a_package_that_needs_another_package_says_so(install: Install):
    install("sacrebleu", "import a_package_nobody_has")
    with pytest.raises(MetricMissing, match="sacrebleu cannot be imported: a package it needs"):
        published.score("BLEU", CANDIDATES, REFERENCES)


def test_a_package_made_for_other_versions_says_so(install: Install):
    install("radgraph", failing("dict.fromkeys([], force_filename='chexbert.pth')"))
    with pytest.raises(MetricMissing, match="radgraph does not fit the versions"):
        published.score("RadGraph F1", CANDIDATES, REFERENCES)


@pytest.mark.parametrize("error", ["OSError(28, 'No space left on device')", "RuntimeError('out of memory')"])
def test_any_other_failure_is_not_taken_for_missing_weights(install: Install, error: str):
    install("radgraph", failing(f"raise {error}"))
    with pytest.raises((OSError, RuntimeError)) as caught:
        published.score("RadGraph F1", CANDIDATES, REFERENCES)
    assert not isinstance(caught.value, CxrError)


def test_a_failure_while_an_earlier_one_is_handled_is_judged_by_itself(install: Install):
    install("radgraph", failing("raise ConnectionError('offline')"))
    install("sacrebleu", "def corpus_bleu(hypotheses, references):\n    raise RuntimeError('broken')")
    try:
        published.score("RadGraph F1", CANDIDATES, REFERENCES)
    except MetricMissing:
        with pytest.raises(RuntimeError, match="broken"):
            published.score("BLEU", CANDIDATES, REFERENCES)


@pytest.mark.parametrize("before", [None, "0"])
@pytest.mark.parametrize("ending", ["", "raise RuntimeError('broken')"])
def test_the_hub_is_offline_while_a_metric_runs_and_as_before_afterwards(
    install: Install, monkeypatch: pytest.MonkeyPatch, before: str | None, ending: str
):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    if before is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE", before)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    source = f"""
import os
from huggingface_hub import is_offline_mode
def corpus_bleu(hypotheses, references):
    assert is_offline_mode() and os.environ["HF_HUB_OFFLINE"] == "1"
    {ending}
    class score:
        score = 50.0
    return score
"""
    install("sacrebleu", source)
    if ending:
        with pytest.raises(RuntimeError, match="broken"):
            published.score("BLEU", CANDIDATES, REFERENCES)
    else:
        assert published.score("BLEU", CANDIDATES, REFERENCES) == 0.5
    assert (os.environ.get("HF_HUB_OFFLINE"), constants.HF_HUB_OFFLINE) == (before, False)


def test_what_a_package_prints_or_writes_of_the_reports_stays_nowhere(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    install("green_score", SHARE + FAKES["green_score"])
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    published.score("GREEN", CANDIDATES, REFERENCES)
    assert capsys.readouterr().out == ""
    assert [*work.iterdir(), *temporary.iterdir()] == []


@pytest.mark.parametrize(("candidates", "references"), [([], []), (["clear"], []), (["clear"], ["clear", "clear"])])
def test_nothing_to_compare_is_refused_before_a_package_is_looked_for(candidates: list[str], references: list[str]):
    with pytest.raises(ValueError, match="one reference for each"):
        published.score("RadGraph F1", candidates, references)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(MetricMissing, match="BLEU, ROUGE-L"):
        published.score("EntRel-F1", CANDIDATES, REFERENCES)


def test_the_module_loads_no_package_it_may_ask():
    code = (
        "import sys; from explorer.metrics import published; published.available(); "
        f"sys.exit(bool(set(sys.modules) & {{'torch', 'transformers', 'huggingface_hub', *{sorted(FAKES)}}}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
