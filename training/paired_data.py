"""Films with their own reports, from any corpus that has both, and the words that a film is matched with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer.corpora import open_source
from explorer.corpora.base import Options, Place, Study
from explorer.corpora.sections import has_words, without_redactions
from explorer.corpora.split import Split
from explorer.intake.decode import decode
from explorer.language.sentences import sentences
from explorer.settings import Limits
from explorer.types import SCOPES, Scope
from models.interfaces import PLACEHOLDERS, SECTION_PROMPTS, CxrError

PARTS: Mapping[Scope, tuple[str, ...]] = {
    "report": ("findings", "impression"),
    "findings": ("findings",),
    "impression": ("impression",),
}


@dataclass(frozen=True)
class PairedCorpus:
    """Where films with reports lie on this machine."""

    reader: str  # a name of `explorer.corpora.READERS`
    root: str
    mapping: str = ""  # for "table"


@dataclass(frozen=True)
class Pair:
    """A frontal film and the report of its study."""

    study: str
    sections: Mapping[str, str]
    film: Path


def read_pairs(corpus: PairedCorpus, split: Split | None) -> tuple[Pair, ...]:
    """Return the studies of a split (None: all) with a frontal film here and words in their report, one film each.

    Splits are by patient, so no patient is in two of them.

    Raises:
        CxrError: the corpus is not there, is damaged, or has no such study.
    """
    place = Place(Path(corpus.root), Path(corpus.mapping) if corpus.mapping else None)
    source = open_source(corpus.reader, place, Options(views="frontal", split=split))
    found = [_pair(item) for item in source.items if isinstance(item, Study)]
    pairs = tuple(pair for pair in found if pair)
    if not pairs:
        raise CxrError(f"{source.title} has no frontal film with a report in this split. Check --root and its tables.")
    return pairs


def read_film(file: Path) -> np.ndarray:
    """Return the pixels of a film [h, w] uint8, bright = dense. Raises CxrError if it cannot be read."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CxrError("A film of the corpus cannot be opened. Check its folder, then go on with --resume.") from error
    return decode(data, Limits()).pixels


def _pair(study: Study) -> Pair | None:
    """The first frontal film that is here stands for the study."""
    films = [film.path for film in study.films if film.path is not None and film.frontal]
    sections = study.report.sections
    return Pair(study.report.id, sections, films[0]) if films and words_of(sections, "report") else None


def words_of(sections: Mapping[str, str], scope: Scope) -> str:
    """Return the words of a scope without redactions, sections on lines of their own; "" if there are none."""
    parts = [without_redactions(sections[name]) for name in PARTS[scope] if has_words(sections.get(name, ""))]
    return "\n".join(parts)


def drawn_text(sections: Mapping[str, str], draw: np.random.Generator, shuffle: float, by_section: bool) -> str:
    """Return the words that a film is matched with this time.

    Args:
        sections: of the report.
        draw: decides.
        shuffle: how often the sentences change places, each within its own section.
        by_section: take findings, impression or both, and put the placeholder of a single one before it.
    """
    there: list[Scope] = [scope for scope in SCOPES if words_of(sections, scope)] if by_section else ["report"]
    scope = there[int(draw.integers(len(there)))]
    parts = [without_redactions(sections[name]) for name in PARTS[scope] if has_words(sections.get(name, ""))]
    if draw.random() < shuffle:
        parts = [shuffled(part, draw) for part in parts]
    return (PLACEHOLDERS[scope] if by_section else "") + "\n".join(parts)


def shuffled(text: str, draw: np.random.Generator) -> str:
    """Return a text with its sentences in another order."""
    told = [sentence.text for sentence in sentences(text)]
    return " ".join(told[place] for place in draw.permutation(len(told)))


def prompt_of(text: str) -> str:
    """Return the instruction that a text carries by the placeholders in it, as in the authors' training."""
    for scope in ("findings", "impression"):
        if PLACEHOLDERS[scope].strip() in text:
            return SECTION_PROMPTS[scope]
    return SECTION_PROMPTS["report"]


def prompts_of(texts: Sequence[str]) -> list[str]:
    """Return the instruction of each text."""
    return [prompt_of(text) for text in texts]
