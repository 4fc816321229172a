"""What the stages of the report tower steer by: the tasks of the validation split, with figures small enough to log.

Task 4 stays unseen here, and so does Task 3 as it is tested: its like is asked of validation studies, with rows of
`errors.tsv` that neither training nor the test has, three times over, since few impressions take three errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.corpora.base import Corpus
from explorer.corpora.split import in_split
from explorer.language.error_injection import Injector
from explorer.language.sentences import sentences
from explorer.language.shorthand import Shortener
from explorer.metrics.retrieval import answer_ranks
from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION
from training.agreeing import agreeing_notes
from training.tasks.base import Encode, Figure, score
from training.tasks.errors import erroneous_impressions
from training.tasks.retrieval import RetrievalTask, findings_to_impression, prior_omitted
from training.texts import Told, told

SEED = 4096
MADE = 400  # notes from the lexicon, of which those that state a finding are asked
ERROR_SEEDS = (4096, 4097, 4098)


class Validation:
    """The validation split, ready to be asked."""

    def __init__(self, corpus: Corpus) -> None:
        self._summaries = findings_to_impression(corpus, "validation")
        self._omitted = prior_omitted(corpus, "validation")
        draw = np.random.default_rng(SEED)
        studies = told(in_split(corpus.reports, "validation"))
        self._notes = _notes(studies, Shortener.open(), draw)
        self._wrong = _with_errors(studies, Injector.open("choosing"), draw)
        asked = [erroneous_impressions(corpus, "validation", "choosing", seed) for seed in ERROR_SEEDS]
        self._agreeing = agreeing_notes(studies, MADE, 0.0, SEED)
        self._four = [task for task in asked if len(task.asked)]

    def figures(self, encode: Encode, instructed: bool) -> dict[str, float]:
        """Return recall of the tasks; the first figure, the mean of the others, is the one to choose by.

        Args:
            encode: the tower.
            instructed: whether its queries carry an instruction.
        """
        encode = _once(encode)
        search, summarize = (SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION) if instructed else ("", "")
        summaries = _recalls(self._summaries, encode, instructed)
        short, long = (encode(texts, search if part == 0 else "") for part, texts in enumerate(self._notes))
        notes = answer_ranks(short @ long.T, np.arange(len(short)))
        figures = {
            "task 2 recall@1": summaries["all", "recall@1"],
            "task 2 recall@10": summaries["all", "recall@10"],
            "unseen recall@1": summaries["unseen", "recall@1"],
            "unseen recall@10": summaries["unseen", "recall@10"],
            "omitted recall@1": _recalls(self._omitted, encode, instructed)["all", "recall@1"],
            "short recall@1": float((notes <= 1).mean()),
            "errors told": self._told_apart(encode, summarize),
            "notes agree": self._agree(encode, search),
            **({"four-way": self._four_way(encode, instructed)} if self._four else {}),
        }
        return {"mean": float(np.mean(list(figures.values()))), **figures}

    def _agree(self, encode: Encode, instruction: str) -> float:
        """Return how far the first ten reports agree with made notes, short and in full; see `agreeing`."""
        reports = encode(self._agreeing.reports, "")
        forms = (self._agreeing.short, self._agreeing.full)
        return float(np.mean([self._agreeing.agreement(encode(form, instruction), reports) for form in forms]))

    def _four_way(self, encode: Encode, instructed: bool) -> float:
        """Return how often the true impression is the nearest of four."""
        asked = _asked(encode, instructed)
        found = [one.value for task in self._four for one in score(task, asked) if _is_four_way(one)]
        return float(np.mean(found))

    def _told_apart(self, encode: Encode, instruction: str) -> float:
        """Return how often findings are closer to their impression than to the same with one error."""
        findings, right, wrong = (
            encode(texts, instruction if part == 0 else "") for part, texts in enumerate(self._wrong)
        )
        return float(((findings * right).sum(axis=1) > (findings * wrong).sum(axis=1)).mean())


def _once(encode: Encode) -> Encode:
    """Encode each text once, though several tasks ask with it."""
    known: dict[tuple[str, str], np.ndarray] = {}

    def remembered(texts: Sequence[str], instruction: str) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if (text, instruction) not in known]
        if new:
            known.update(zip(((text, instruction) for text in new), encode(new, instruction), strict=True))
        return np.stack([known[text, instruction] for text in texts])

    return remembered


def _is_four_way(figure: Figure) -> bool:
    return (figure.part, figure.measure) == ("all", "accuracy (strict)")


def _asked(encode: Encode, instructed: bool) -> Encode:
    """Leave the instruction out for a tower that carries none."""
    return encode if instructed else lambda texts, _: encode(texts, "")


def _recalls(task: RetrievalTask, encode: Encode, instructed: bool) -> dict[tuple[str, str], float]:
    """Return the figures of a task by part and measure."""
    return {(one.part, one.measure): one.value for one in score(task, _asked(encode, instructed))}


def _notes(studies: Sequence[Told], shortener: Shortener, draw: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return sentences of two or more words that shorthand changes, short and in full, each once."""
    long = dict.fromkeys(part.text for study in studies for part in sentences(study.report))
    pairs = [(shortener.shorten(text, draw), text) for text in long]
    differing = [(short, text) for short, text in pairs if short != text]
    return [short for short, _ in differing], [text for _, text in differing]


def _with_errors(
    studies: Sequence[Told], injector: Injector, draw: np.random.Generator
) -> tuple[list[str], list[str], list[str]]:
    """Return findings, their impression, and the impression with one error."""
    both = [study for study in studies if study.findings and study.impression]
    made = [(study, injector.several(study.impression, 1, draw)) for study in both]
    kept = [(study, wrong[0].text) for study, wrong in made if wrong]
    return (
        [study.findings for study, _ in kept],
        [study.impression for study, _ in kept],
        [wrong for _, wrong in kept],
    )
