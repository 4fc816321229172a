"""A result as a file for other programs: JSON in its documented shape, and CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json

from explorer.compare import Comparison
from explorer.language.abbreviations import Expansion
from explorer.types import Hit, SearchResult

SECTIONS = ("findings", "impression", "indication", "comparison")
_COLUMNS = (
    *("rank", "id", "score", "score_name", "closer_than", "identical", "agreement", "age", "sex", "views"),
    *SECTIONS,
    *("source", "licence", "encoder", "corpus", "scope"),
)
# A spreadsheet takes a cell that starts with one of these for a formula (OWASP, CSV Injection), also in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_json(result: SearchResult) -> dict[str, object]:
    """Return a result in the documented JSON shape."""
    image, study = result.query.image, result.query.study
    return {
        "query": {
            "kind": result.query.kind,
            "text": result.query.text,
            **({} if study is None else {"study": study}),
            "notes": [*(image.notes if image else ()), *result.notes],
            **({"caution": result.caution} if result.caution else {}),
        },
        "encoder": result.encoder,
        "space": result.space,
        "score_name": result.score_name,
        "corpus": result.corpus,
        "scope": result.scope,
        "seconds": result.seconds,
        "hits": [_hit(hit) for hit in result.hits],
    }


def json_text(result: SearchResult) -> str:
    """Return the JSON of a result as the text of a file."""
    return json.dumps(as_json(result), ensure_ascii=False, indent=2)


def csv_text(result: SearchResult) -> str:
    """Return one line for each hit, below a line of names; a text that looks like a formula begins with an apostrophe.

    The first character says that it is UTF-8, which spreadsheets ask for.
    """
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\r\n")
    table.writerow(_COLUMNS)
    table.writerows(_row(hit, result) for hit in result.hits)
    return f"\ufeff{lines.getvalue()}"


def expansion_json(expansion: Expansion) -> dict[str, object]:
    """Return a note's abbreviations in the documented JSON shape."""
    spans = [
        {
            "start": span.start,
            "end": span.end,
            "short": span.short,
            "long": span.long,
            "alternatives": [{"long": other.long, "score": round(other.score, 4)} for other in span.alternatives],
        }
        for span in expansion.spans
    ]
    unknown = [{"start": start, "end": end, "short": short} for start, end, short in expansion.unknown]
    return {"expanded": expansion.expanded, "spans": spans, "unknown": unknown}


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return answers side by side: each as `as_json` has it, the studies joined, and what became of each finding."""
    accounts = [
        {"kept": one.kept, "lost": one.lost, "uncertain": one.uncertain, "invented": one.invented}
        for one in comparison.accounts
    ]
    return {
        "results": [as_json(result) for result in comparison.results],
        "studies": [{"id": study.id, "ranks": list(study.ranks)} for study in comparison.studies],
        "findings": accounts,
        "disagreement": round(comparison.disagreement, 4),
    }


def _hit(hit: Hit) -> dict[str, object]:
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "id": hit.report.id,
        "source": hit.report.source,
        "licence": hit.report.licence,
        "sections": dict(hit.report.sections),
        "findings": [vars(finding) for finding in hit.report.findings],
        "identical": list(hit.identical),
    }


def _row(hit: Hit, result: SearchResult) -> list[object]:
    report, meta = hit.report, hit.report.meta
    agreement = "; ".join(f"{one.asked.status} {one.asked.name}: {one.verdict}" for one in hit.agreement)
    closer = "" if hit.closer_than is None else hit.closer_than
    texts = (report.sections.get(name, "") for name in SECTIONS)
    return [
        *(hit.rank, cell(report.id), round(hit.score, 6), result.score_name, closer),
        *(cell(" ".join(hit.identical)), cell(agreement), "" if meta.age is None else meta.age, meta.sex or ""),
        cell(" ".join(meta.views)),
        *map(cell, texts),
        *map(cell, (report.source, report.licence, result.encoder, result.corpus, result.scope)),
    ]


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe stands before what looks like one."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
