"""Measure encoders on studies, notes and films that no training has seen.

    python -m training.evaluate --encoders pocket,base,minilm,bm25 --tasks 1,2,3,4,5 --json assets/results/text.json
    python -m training.evaluate --encoders pocket,clip4cxr --tasks multimodal --json assets/results/multimodal.json

The tasks are those of the paper's section 5, see `training.tasks`. A result written into `assets/results` also rewrites
the README's tables. Films are those of the folder CXR_IMAGES; asked for together with texts, their rows are written to
`multimodal.json` beside the named file. Films with their own reports, as of MIMIC-CXR, are those of `--corpus`:

    python -m training.evaluate --encoders llm2clip4cxr --tasks multimodal --corpus mimic-cxr --root DIR --json FILE

Texts of another corpus than Open-I, as far as it has what a task asks for, are those prepared for the app:

    python -m training.evaluate --encoders pocket,bm25 --tasks 2 --prepared mimic-cxr --json FILE
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

from explorer.corpora import READERS, openi
from explorer.corpora.base import Corpus
from explorer.corpora.split import Split
from explorer.measuring import NEEDED
from explorer.metrics.significance import approximate_randomisation, bootstrap, holm
from explorer.settings import Settings
from models.checkpoint import write_atomically
from models.interfaces import CxrError
from models.registry import dual_names, load_text_encoder, names
from training import tables
from training.datasets import images_folder
from training.embeddings import CachedEncoder
from training.paired_data import PairedCorpus
from training.prepared import read_prepared
from training.tasks.base import WORDS, Figure, Ranker, Task, dense, words
from training.tasks.errors import ErrorTask, erroneous_impressions
from training.tasks.multimodal import multimodal
from training.tasks.nearest import NearestTask, nearest_findings
from training.tasks.notes import read_notes
from training.tasks.paired import paired
from training.tasks.retrieval import (
    RetrievalTask,
    findings_to_impression,
    notes,
    prior_omitted,
    split_reports,
    studies_with,
)
from training.tasks.stability import StabilityTask, stability

FILMS = "multimodal"
TASKS = ("1", "2", "3", "4", "5", FILMS)
FILMS_ALONE = frozenset(dual_names()) - frozenset(names())  # encoders that no task on texts is put to
JUDGE = "minilm"  # embeds for EntSim and EmbSim of Task 5
COMPARED = ("all", "unseen")  # parts on which rankers are compared
NOT_COMPARED = "mean margin"  # in the units of each ranker's own scores
Record = dict[str, Any]


def main() -> None:
    """Measure what the command line names, print every figure, and write the result files if asked."""
    asked = _arguments()
    encoders, ids = (list(dict.fromkeys(given.split(","))) for given in (asked.encoders, asked.tasks))
    try:
        for file, results in measure(encoders, ids, asked.split, asked.json, _pairs_asked(asked), asked.prepared):
            print(tables.listing(results) if isinstance(results, dict) else tables.films_tables(results))
            if file:
                write(file, results)
    except CxrError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if asked.json and asked.json.resolve().parent == tables.RESULTS:
        tables.rewrite_readme()


def measure(
    encoders: Sequence[str],
    ids: Sequence[str],
    split: Split,
    file: Path | None,
    pairs: PairedCorpus | None = None,
    prepared: str = openi.NAME,
) -> Iterator[tuple[Path | None, Record | list[Record]]]:
    """Yield the results of the texts, then of the films, each with the file it belongs in, if any.

    Raises CxrError before anything is measured: for an unknown task or encoder, films that are not there, a file in no
    folder, or a corpus that lacks what a task asks for.
    """
    if unknown := [name for name in ids if name not in TASKS]:
        raise CxrError(f"There is no task {unknown[0]!r}. Known: {', '.join(TASKS)}.")
    if file and not file.parent.is_dir():
        raise CxrError("The folder for the result file does not exist. Make it first, or name another.")
    if pairs is not None and list(ids) != [FILMS]:
        raise CxrError(f"Only --tasks {FILMS} is asked of another corpus. Leave --corpus out, or the other tasks.")
    if FILMS in ids and pairs is None:
        if prepared != openi.NAME:
            raise CxrError(f"The task {FILMS} asks for reports of Open-I. Leave it or --prepared out.")
        images_folder()
    if pairs is not None:
        yield file, paired(encoders, pairs, split, load_text_encoder(JUDGE))
        return
    texts = [name for name in ids if name != FILMS]
    rankers = [ranker(name) for name in encoders if name not in FILMS_ALONE]
    if texts and not rankers:
        raise CxrError(f"{encoders[0]!r} is for films. Ask for --tasks {FILMS}, or name an encoder of reports.")
    corpus = openi.read() if prepared == openi.NAME else read_prepared(Settings(), prepared)
    if texts:
        yield file, measured_texts(corpus, split, built(texts, corpus, split), rankers)
    if FILMS in ids:
        yield file and (file.with_name(f"{FILMS}.json") if texts else file), multimodal(encoders, corpus, split)


def ranker(name: str) -> Ranker:
    """Return BM25, or an encoder that remembers its vectors. Raises as `load_text_encoder`."""
    return words() if name == WORDS else dense(CachedEncoder(load_text_encoder(name)))


def built(ids: Sequence[str], corpus: Corpus, split: Split) -> list[Task]:
    """Build the tasks on texts. Raises CxrError for one that the corpus has no texts for."""
    for name in ids:
        _check_has(corpus, split, name)
    tasks: list[RetrievalTask | ErrorTask | StabilityTask | NearestTask] = []
    for name in ids:
        match name:
            case "1":
                tasks += [prior_omitted(corpus, split), split_reports(corpus, split)]
            case "2":
                tasks += [findings_to_impression(corpus, split)]
            case "3":
                tasks += [erroneous_impressions(corpus, split)]
            case "4":
                tasks += [notes(read_notes()), stability(corpus, split, read_notes())]
            case "5":
                tasks += [nearest_findings(corpus, split, CachedEncoder(load_text_encoder(JUDGE)))]
    asked: list[Task] = [task for task in tasks if task.parts]  # of Task 1 a corpus may have one half only
    if not asked:
        raise CxrError(f"Task {ids[0]} finds nothing to ask in the {split} split of {corpus.name}.")
    return asked


def _check_has(corpus: Corpus, split: Split, task: str) -> None:
    """Raise CxrError unless two studies of the split have what a task asks for, and two others for it to be met by."""
    sections = NEEDED.get(task, ())
    for needed in (split, "train") if task == "5" else (split,):
        if sections and len(studies_with(corpus, needed, *sections)) < 2:
            what = " and ".join(sections)
            raise CxrError(f"Task {task} needs studies with {what}; the {needed} split of {corpus.name} has too few.")


def measured_texts(corpus: Corpus, split: Split, tasks: Sequence[Task], rankers: Sequence[Ranker]) -> Record:
    """Return everything measured on texts, ready for its file. Raises CxrError if two encoders share a name."""
    names = [one.card.name for one in rankers]
    if len(set(names)) < len(names):
        raise CxrError("Two of these encoders have the same name. Measure them one after the other.")
    rows: list[Record] = []
    comparisons: list[Record] = []
    for task in tasks:
        found = {one.card.name: _figures(task, one) for one in rankers}
        rows += [_row(task, one, figure) for one in rankers for figure in found[one.card.name]]
        comparisons += _compared(task, found)
    return {
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "split": split,
        "measured": date.today().isoformat(),
        "encoders": [asdict(one.card) for one in rankers],
        "tasks": [asdict(task.card) for task in tasks],
        "rows": rows,
        "comparisons": comparisons,
    }


def write(file: Path, results: Record | list[Record]) -> None:
    """Write a result file whole; where all else is as it was, so is the day."""
    if isinstance(results, dict):
        results = {**results, "measured": _day(file, results)}
    text = as_text(results)
    write_atomically(file, lambda target: target.write_text(text, encoding="utf-8"))


def as_text(results: Record | list[Record]) -> str:
    """Return results as JSON, keys sorted, one record a line."""
    if isinstance(results, list):
        return json.dumps(results, indent=1, sort_keys=True) + "\n"
    parts = [f'"{key}": {_lines(value)}' for key, value in sorted(results.items())]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    rows = ",\n".join(" " + json.dumps(row, sort_keys=True, ensure_ascii=False) for row in value)
    return f"[\n{rows}\n]" if value else "[]"


def _day(file: Path, results: Record) -> object:
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return results["measured"]
    same = isinstance(before, dict) and {**before, "measured": results["measured"]} == results
    return before["measured"] if same else results["measured"]


def _figures(task: Task, one: Ranker) -> list[Figure]:
    print(f"Task {task.card.task}: {one.card.name}", file=sys.stderr)
    return task.figures(one)


def _row(task: Task, one: Ranker, figure: Figure) -> Record:
    interval = bootstrap(figure.values, figure.statistic)
    return {
        "task": task.card.task,
        "part": figure.part,
        "measure": figure.measure,
        "encoder": one.card.name,
        "instruction": task.instruction if one.card.instructed else "",
        "n": interval.n,
        "value": _rounded(interval.mean),
        "low": _rounded(interval.low),
        "high": _rounded(interval.high),
        "chance": _rounded(figure.chance),
        "floor": _rounded(figure.floor),
        "shuffled": _rounded(figure.shuffled),
    }


def _compared(task: Task, found: Mapping[str, Sequence[Figure]]) -> list[Record]:
    """Compare every two rankers on a task; `p_holm` is corrected for all comparisons of the task."""
    pairs = [
        (one, other, mine, its)
        for one, other in combinations(found, 2)
        for mine in found[one]
        for its in found[other]
        if mine.part in COMPARED and (mine.part, mine.measure) == (its.part, its.measure)
        if mine.measure != NOT_COMPARED and not (_at_ceiling(mine) or _at_ceiling(its))
    ]
    ps = [approximate_randomisation(mine.values, its.values, mine.statistic) for _, _, mine, its in pairs]
    return [
        {
            "task": task.card.task,
            "part": mine.part,
            "measure": mine.measure,
            "encoder": one,
            "against": other,
            "difference": _rounded(mine.value - its.value),
            "p": _rounded(p),
            "p_holm": _rounded(corrected),
            "n": len(mine.values),
        }
        for (one, other, mine, its), p, corrected in zip(pairs, ps, holm(ps), strict=True)
    ]


def _at_ceiling(figure: Figure) -> bool:
    """Whether every query is answered: then a difference shows the task's limit, not the rankers'."""
    return figure.measure.startswith("recall") and figure.value == 1


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _pairs_asked(asked: argparse.Namespace) -> PairedCorpus | None:
    if asked.corpus is None:
        return None
    return PairedCorpus(asked.corpus, str(asked.root or ""), str(asked.mapping or ""))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--encoders", default="pocket,base,minilm,bm25", help="names or folders, comma between")
    parser.add_argument("--tasks", default="1,2,3,4,5", help=f"any of {','.join(TASKS)}")
    parser.add_argument("--split", choices=get_args(Split)[1:], default="test")
    parser.add_argument("--corpus", choices=sorted(READERS), help="of films with their own reports, for multimodal")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where that corpus lies")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="for --corpus table: which column is which")
    parser.add_argument("--prepared", default=openi.NAME, metavar="NAME", help="corpus whose texts are asked about")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
