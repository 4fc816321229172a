"""The result files: what was measured here, and what the paper printed. Read whole or refused, never written here.

text.json        Tasks 1–5, one figure a row            python -m training.evaluate
multimodal.json  films → reports                        python -m training.evaluate
paper.json       the paper's Table 3, transcribed       https://arxiv.org/abs/2509.15234 (more of it: explorer/paper.py)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from explorer.errors import Damaged, Foreign, NotPrepared

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

FOLDER = Path(__file__).parents[1] / "assets" / "results"
MEASURE = "python -m training.evaluate"
LOWER_IS_BETTER = frozenset({"mean rank"})
SURE = 0.05  # below this corrected p two are told apart
ALL = "all"  # the part that is the whole
SHARED_AT_5 = "precision@5, a finding shared"  # of films, as `training.evaluate` names it
_MOST_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Encoder:
    """What was measured: a tower, or BM25 with every field but name and note empty."""

    name: str
    revision: str  # sha256 of everything its vectors depend on
    precision: str
    pooling: str
    dim: int
    instructed: bool
    note: str


@dataclass(frozen=True)
class Task:
    """A test of encoders."""

    task: str  # "2", "4 retrieval"
    title: str
    about: str
    query: str
    bank: str
    n_distinct: int  # different texts in the bank


@dataclass(frozen=True)
class Figure:
    """One measure of one encoder on one part of a task, with its 95 % interval."""

    task: str
    part: str  # "all", "unseen", a category
    measure: str
    encoder: str
    instruction: str
    n: int
    value: float
    low: float
    high: float
    chance: float | None
    floor: float | None  # what an answer that ignores the query gets
    shuffled: float | None  # a control: the same after the answers were shuffled among the queries


@dataclass(frozen=True)
class Comparison:
    """Two encoders on the same queries; `difference` is `encoder` minus `against`, `p` is two-sided."""

    task: str
    part: str
    measure: str
    encoder: str
    against: str
    difference: float
    p: float
    p_holm: float  # corrected for all comparisons of the task
    n: int


@dataclass(frozen=True)
class Column:
    """One measure on one part of a task: the figures of all encoders that have it, in their order. Never empty."""

    task: Task
    part: str
    measure: str
    figures: tuple[Figure, ...]

    def of(self, encoder: str) -> Figure | None:
        """Return an encoder's figure; None if it was not measured."""
        return next((figure for figure in self.figures if figure.encoder == encoder), None)

    def is_best(self, figure: Figure) -> bool:
        """Return whether no other encoder has a better value. Ties are all best."""
        pick = min if self.measure in LOWER_IS_BETTER else max
        return figure.value == pick(other.value for other in self.figures)

    @property
    def span(self) -> tuple[float, float]:
        """Return the smallest range that holds 0, every interval, chance and floor."""
        ends = [0.0, *(end for figure in self.figures for end in (figure.low, figure.value, figure.high))]
        ends += [line for line in (self.chance, self.floor) if line is not None]
        return min(ends), max(ends)

    @property
    def chance(self) -> float | None:
        """Return what guessing gets; None if that is not the same for all encoders."""
        return _common(figure.chance for figure in self.figures)

    @property
    def floor(self) -> float | None:
        """Return what an answer that ignores the query gets; None if that is not the same for all encoders."""
        return _common(figure.floor for figure in self.figures)


def _common(values: Iterable[float | None]) -> float | None:
    different = set(values)
    return different.pop() if len(different) == 1 else None


@dataclass(frozen=True)
class Measured:
    """Everything measured here in one run: encoders, tasks, figures, comparisons."""

    corpus: str
    corpus_sha256: str
    split: str
    measured: date
    encoders: tuple[Encoder, ...]
    tasks: tuple[Task, ...]
    figures: tuple[Figure, ...]
    comparisons: tuple[Comparison, ...]

    def measures(self, task: str, part: str) -> tuple[str, ...]:
        """Return what was measured on a part of a task: recall@1, recall@5, recall@10."""
        return in_order(one.measure for one in self.figures if (one.task, one.part) == (task, part))

    def parts(self, task: str) -> tuple[str, ...]:
        """Return the parts of a task, the whole first."""
        found = dict.fromkeys(figure.part for figure in self.figures if figure.task == task)
        return tuple(sorted(found, key=lambda part: part != ALL))

    def column(self, task: Task, part: str, measure: str) -> Column:
        """Return the figures of a measure on a part of a task."""
        found = [self._at.get((task.task, part, measure, encoder.name)) for encoder in self.encoders]
        return Column(task, part, measure, tuple(figure for figure in found if figure is not None))

    def against_first(self, figure: Figure) -> Comparison | None:
        """Return how the first encoder compares with the one of this figure; None if nobody compared them."""
        first = self.encoders[0].name
        place = (figure.task, figure.part, figure.measure)
        if found := self._compared.get((*place, first, figure.encoder)):
            return found
        if found := self._compared.get((*place, figure.encoder, first)):
            return Comparison(*place, first, figure.encoder, -found.difference, found.p, found.p_holm, found.n)
        return None

    @cached_property
    def _at(self) -> dict[tuple[str, ...], Figure]:
        return {(one.task, one.part, one.measure, one.encoder): one for one in self.figures}

    @cached_property
    def _compared(self) -> dict[tuple[str, ...], Comparison]:
        return {(one.task, one.part, one.measure, one.encoder, one.against): one for one in self.comparisons}


@dataclass(frozen=True)
class PaperFigure:
    """A figure as the paper prints it."""

    task: str
    measure: str
    encoder: str
    value: float


@dataclass(frozen=True)
class Paper:
    """What the paper reports, and why it stands apart."""

    source: str
    why_not_the_same: str
    notes: tuple[str, ...]
    figures: tuple[PaperFigure, ...]


@dataclass(frozen=True)
class FilmFigure:
    """One measure of one pair of towers on some of the films."""

    figure: Figure  # n counts patients, and the interval is over them
    films: int
    findings: int  # that an AUROC is the mean of; 0 where the figure is none


@dataclass(frozen=True)
class FilmTowers:
    """What was measured with one pair of towers: films against reports, and the findings of films."""

    encoder: str
    precision: str
    revision: str
    split: str
    reports: int
    figures: tuple[FilmFigure, ...]


def read_measured(folder: Path = FOLDER) -> Measured:
    """Read what was measured on texts.

    Raises:
        NotPrepared: nothing was measured yet.
        Damaged: the file cannot be read, or its figures contradict each other.
        Foreign: it is not a file of `training.evaluate`.
    """
    return read_result(folder / "text.json", _measured)


def read_films(folder: Path = FOLDER) -> tuple[FilmTowers, ...]:
    """Read what was measured on films. Raises as `read_measured`."""
    return read_result(folder / "multimodal.json", _film_towers)


def read_paper(folder: Path = FOLDER) -> Paper:
    """Read the paper's figures. Raises as `read_measured`."""
    return read_result(folder / "paper.json", _paper)


def in_order(measures: Iterable[str]) -> tuple[str, ...]:
    """Return different measures as they first come, those of one kind by their rank: recall@1, @5, @10."""
    found = list(dict.fromkeys(measures))
    kinds = [measure.partition("@")[0] for measure in found]

    def place(measure: str) -> tuple[int, int]:
        kind, _, rank = measure.partition("@")
        return kinds.index(kind), int(rank) if rank.isdecimal() else 0

    return tuple(sorted(found, key=place))


Read = TypeVar("Read")
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "float | None": (float, int, NoneType),
    "bool": (bool,),
    "Figure": (Figure,),
    "tuple[FilmFigure, ...]": (tuple,),
}


def read_result(path: Path, parse: Callable[[object], Read]) -> Read:
    """Read one file. Every way in which its content can surprise `parse` means that it is another kind of file.

    Raises as `read_measured`.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _foreign(path)
        content = json.loads(path.read_bytes(), parse_constant=_refuse)
    except FileNotFoundError as error:
        raise NotPrepared(f"There is no {path.name} yet. Run `{MEASURE}`.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"The result file {path.name} is damaged or incomplete. Run `{MEASURE}` again.") from error
    try:
        return parse(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(path) from error


def _foreign(path: Path) -> Foreign:
    return Foreign(f"The file {path.name} is not a result file of this version. Run `{MEASURE}` again.")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are no JSON, but Python reads them


def _measured(raw: object) -> Measured:
    about = words_of(raw, ("corpus", "corpus_sha256", "split", "measured"))
    lists = lists_of(raw, ("encoders", "tasks", "rows", "comparisons"))
    measured = Measured(
        about["corpus"],
        about["corpus_sha256"],
        about["split"],
        date.fromisoformat(about["measured"]),
        _records(Encoder, lists["encoders"]),
        _records(Task, lists["tasks"]),
        _records(Figure, lists["rows"]),
        _records(Comparison, lists["comparisons"]),
    )
    _check(measured)
    return measured


def _check(measured: Measured) -> None:
    """Refuse figures of encoders and tasks nobody listed, figures given twice, and intervals that are none."""
    encoders = {encoder.name for encoder in measured.encoders}
    tasks = {task.task for task in measured.tasks}
    placed: list[Figure | Comparison] = [*measured.figures, *measured.comparisons]
    whole = (
        len(encoders) == len(measured.encoders) > 0
        and len(tasks) == len(measured.tasks)
        and all(one.task in tasks and one.encoder in encoders for one in placed)
        and len({(one.task, one.part, one.measure, one.encoder) for one in measured.figures})
        == len(measured.figures)
        > 0
        and all(figure.low <= figure.high and figure.n > 0 for figure in measured.figures)
        and all(0 <= comparison.p <= comparison.p_holm <= 1 for comparison in measured.comparisons)
    )
    if not whole:
        raise Damaged(f"The figures of the result file contradict each other. Run `{MEASURE}` again.")


def _film_towers(raw: object) -> tuple[FilmTowers, ...]:
    if not isinstance(raw, list):
        raise TypeError
    return tuple(_towers(object_of(row)) for row in raw)


def _towers(row: dict[str, object]) -> FilmTowers:
    parts = {part: object_of(found) for part, found in object_of(row["figures"]).items() if part != ALL}
    measures = [*lists_of(row, ("measures",))["measures"], *(_of_part(part, found) for part, found in parts.items())]
    return _record(FilmTowers, {**row, "figures": tuple(_film_figure(row, object_of(one)) for one in measures)})


def _of_part(part: str, found: dict[str, object]) -> dict[str, object]:
    """Return the precision on some of the films in the form of the other measures."""
    bounds = object_of(found["precision@5"])
    return {**found, **bounds, "value": bounds["mean"], "measure": SHARED_AT_5, "part": part, "labels": None}


def _film_figure(row: dict[str, object], one: dict[str, object]) -> FilmFigure:
    about = {"task": "multimodal", "instruction": "", "shuffled": None, "n": one["patients"]}
    findings = len(object_of(one["labels"])) if one["labels"] is not None else 0
    return _record(FilmFigure, {**one, "figure": _record(Figure, {**row, **one, **about}), "findings": findings})


def _paper(raw: object) -> Paper:
    about = words_of(raw, ("source", "why_not_the_same"))
    lists = lists_of(raw, ("notes", "rows"))
    notes = tuple(str(note) for note in lists["notes"])
    return Paper(about["source"], about["why_not_the_same"], notes, _records(PaperFigure, lists["rows"]))


def _records(kind: type[Record], raw: Sequence[object]) -> tuple[Record, ...]:
    return tuple(_record(kind, one) for one in raw)


def _record(kind: type[Record], raw: object) -> Record:
    """Return the record that `raw` describes. Fields it does not know are left out: newer files may have more."""
    given = object_of(raw)
    return kind(**{field.name: _value(given[field.name], str(field.type)) for field in fields(kind)})


def _value(value: object, kind: str) -> object:
    if type(value) not in _KINDS[kind] or (isinstance(value, float) and not math.isfinite(value)):
        raise TypeError(kind)
    return value


def words_of(raw: object, names: Sequence[str]) -> dict[str, str]:
    """Return texts of a JSON object by their names. Raises KeyError, TypeError."""
    return {name: str(_value(object_of(raw)[name], "str")) for name in names}


def lists_of(raw: object, names: Sequence[str]) -> dict[str, list[object]]:
    """Return lists of a JSON object by their names. Raises KeyError, TypeError; what is no list is left out."""
    found = {name: object_of(raw)[name] for name in names}
    return {name: value for name, value in found.items() if isinstance(value, list)}


def object_of(raw: object) -> dict[str, object]:
    """Return a JSON object as it is. Raises TypeError for anything else."""
    if not isinstance(raw, dict):
        raise TypeError
    return raw
