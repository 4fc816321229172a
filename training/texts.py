"""Every text of the training split, in every way we can tell it: what the stages before the last one read.

Making the variants takes minutes, so they are made once and kept in the cache under the fingerprint of their reports.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from explorer.corpora.sections import scope_text, without_redactions
from explorer.language.variants import IndicationPairs, VariantMaker
from explorer.types import Report
from models.checkpoint import write_atomically
from models.interfaces import cache_folder
from training.datasets import fingerprint

VERSION = "1"  # of the rules that make variants; another one makes them anew
SIMILAR = 3  # paraphrases of each report


@dataclass(frozen=True)
class Told:
    """A study, told in every way; no text holds a redaction. A section that the study lacks is ""."""

    id: str
    findings: str
    impression: str
    report: str
    similar: tuple[str, ...]  # of the report: other words, other order
    split: str  # of the findings: one finding a sentence
    omitted: str  # of the findings: without comparisons
    anatomical: str  # of the findings: by region
    indication: tuple[str, ...]  # short and full; full only; or nothing
    codes: tuple[str, ...]  # the experts' codes


def told(reports: Sequence[Report]) -> tuple[Told, ...]:
    """Return the studies in every way, from the cache if their texts were told before."""
    key = fingerprint([VERSION, *(json.dumps(dict(report.sections), sort_keys=True) for report in reports)])
    kept = cache_folder() / "variants" / f"{key}.jsonl"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(asdict(one)) + "\n" for one in _told(reports))
        write_atomically(kept, lambda target: target.write_text(text, encoding="utf-8"))
    lines = kept.read_text(encoding="utf-8").splitlines()
    return tuple(_from_line(line, report) for line, report in zip(lines, reports, strict=True))


def _told(reports: Sequence[Report]) -> list[Told]:
    maker, indications = VariantMaker.open(), IndicationPairs.open()
    return [_tell(report, maker, indications, np.random.default_rng(row)) for row, report in enumerate(reports)]


def _tell(report: Report, maker: VariantMaker, indications: IndicationPairs, draw: np.random.Generator) -> Told:
    findings, impression, whole = (
        without_redactions(scope_text(report.sections, scope)) for scope in ("findings", "impression", "report")
    )
    indication = without_redactions(report.sections.get("indication", ""))
    return Told(
        report.id,
        findings,
        impression,
        whole,
        tuple(dict.fromkeys(maker.similar(whole, draw) for _ in range(SIMILAR))) if whole else (),
        maker.split(findings),
        maker.prior_omitted(findings),
        maker.anatomical(findings),
        indications.pair(report.sections, draw) or ((indication,) if indication else ()),
        tuple(report.meta.codes),
    )


def _from_line(line: str, report: Report) -> Told:
    """The texts from the cache; the same texts may be those of another study, with other codes."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(line).items()
    }
    return replace(Told(**values), id=report.id, codes=tuple(report.meta.codes))


def every_text(studies: Sequence[Told]) -> list[str]:
    """Return the distinct texts: sections, reports and all their variants, in a fixed order."""
    texts = (
        text
        for one in studies
        for text in (
            one.findings,
            one.impression,
            one.report,
            *one.similar,
            one.split,
            one.omitted,
            one.anatomical,
            *one.indication,
        )
    )
    return list(dict.fromkeys(text for text in texts if text))
