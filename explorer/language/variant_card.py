"""How well the report variants and the injected errors do, on real reports: the targets and what was reached.

`python -m explorer.language.variant_card` draws 200 reports of the Open-I training split and prints the table. The
rules were written on other training reports. Of this draw three sentences were read, afterwards: their change of
place was one that the labeler could not read, and it has since learnt "anterior" and "posterior".
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from explorer.corpora import openi
from explorer.corpora.sections import without_redactions
from explorer.corpora.split import in_split
from explorer.language.abbreviations import Expander
from explorer.language.error_injection import CATEGORIES, PREFERRED, Category, Injected, Injector, Use
from explorer.language.findings import FindingsReader
from explorer.language.labels import NO_FINDING
from explorer.language.paraphrase import sides
from explorer.language.sentences import sentences
from explorer.language.splitting import LIST_NUMBER, Splitter, finished
from explorer.language.temporal import keywords_in
from explorer.language.variants import VariantMaker
from explorer.types import Report

REPORTS = 200
SEED = 4096
_USES: tuple[Use, ...] = ("choosing", "testing")

Claims = Counter[tuple[str, ...]]


@dataclass
class Rate:
    """How many of n passed, and the share that was asked for."""

    what: str
    target: float | None  # None: measured, not asked for
    passed: int = 0
    n: int = 0

    @property
    def share(self) -> float:
        """Return the share that passed, 0–1; 0 if there was nothing."""
        return self.passed / max(1, self.n)

    @property
    def met(self) -> bool:
        """Whether the share reaches the target."""
        return self.target is None or self.share >= self.target

    def add(self, passed: bool) -> None:
        """Count one more."""
        self.passed += passed
        self.n += 1

    def line(self) -> str:
        """Return the row as printed."""
        asked = "" if self.target is None else f"  asked {100 * self.target:5.1f} %"
        missed = "" if self.met else "  NOT REACHED"
        return f"{self.what:72}{self.passed:5} of {self.n:4}  {100 * self.share:5.1f} %{asked}{missed}"


@dataclass
class _Rates:
    rows: dict[str, Rate] = field(default_factory=dict)

    def add(self, what: str, target: float | None, passed: bool) -> None:
        self.rows.setdefault(what, Rate(what, target)).add(passed)


def drawn_texts(reports: Iterable[Report], count: int = REPORTS, seed: int = SEED) -> tuple[str, ...]:
    """Return findings, newline, impression of training reports drawn from a corpus, without redactions."""
    told = [report for report in in_split(reports, "train") if report.sections.get("findings")]
    chosen = np.random.default_rng(seed).choice(len(told), count, replace=False)
    return tuple(_text(told[index]) for index in chosen)


def _text(report: Report) -> str:
    parts = (without_redactions(report.sections.get(name, "")) for name in ("findings", "impression"))
    return "\n".join(part for part in parts if part)


def variant_rates(texts: Sequence[str], seed: int = SEED) -> tuple[Rate, ...]:
    """Measure the four rewritten variants of each text."""
    maker, splitter, expander = VariantMaker.open(), Splitter.open(), Expander.open()
    rates = _Rates()
    for number, text in enumerate(texts):
        _split_rates(rates, text, maker.split(text), splitter)
        _omitted_rates(rates, text, maker.prior_omitted(text))
        _similar_rates(rates, text, maker.similar(text, np.random.default_rng((seed, number))), splitter, expander)
        _anatomical_rates(rates, text, maker.anatomical(text), splitter)
    return tuple(rates.rows.values())


def _split_rates(rates: _Rates, text: str, told: str, splitter: Splitter) -> None:
    single = all(splitter.claims(one.text).total() <= 1 for one in sentences(told))
    same = splitter.claims(told) == splitter.claims(text)
    rates.add("split: every sentence has at most one finding", None, single)
    rates.add("split: findings and statuses unchanged", None, same)
    rates.add("split: both", 0.98, single and same)


def _omitted_rates(rates: _Rates, text: str, told: str) -> None:
    rates.add("prior-omitted: no word of the temporal list left", 1.0, not keywords_in(told))
    rates.add("prior-omitted: differs from the report", None, told != text)


def _similar_rates(rates: _Rates, text: str, told: str, splitter: Splitter, expander: Expander) -> None:
    full, full_told = expander.expand(text).expanded, expander.expand(told).expanded
    same = splitter.claims(told) == splitter.claims(text) and splitter.claims(full_told) == splitter.claims(full)
    rates.add("similar: a token changed, order aside", 0.9, _tokens(told) != _tokens(text))
    rates.add("similar: findings, statuses and words for sides kept", 0.98, same and sides(full_told) == sides(full))


def _tokens(text: str) -> Counter[str]:
    return Counter(token.strip(".,;:()") for token in text.lower().split())


def _anatomical_rates(rates: _Rates, text: str, told: str, splitter: Splitter) -> None:
    got = Counter(one.text for line in told.splitlines() for one in sentences(line.partition(": ")[2]))
    wanted: Counter[str] = Counter()
    for one in sentences(text):
        whole = finished(LIST_NUMBER.sub("", one.text))
        if splitter.claims(whole):
            wanted.update([whole] if whole in got else splitter.split(whole))
    once = all(got[one] == count for one, count in wanted.items())
    rates.add("anatomical: every sentence with a finding told once", 1.0, once)
    rates.add(
        "anatomical: findings and statuses unchanged", None, splitter.claims(*got.elements()) == splitter.claims(text)
    )


def injection_rates(texts: Sequence[str], seed: int = SEED) -> tuple[Rate, ...]:
    """Measure one error of each category, with the rows for choosing and those for testing, in each text."""
    reader = FindingsReader.open()
    rates = _Rates()
    for use in _USES:
        injector = Injector.open(use)
        for number, text in enumerate(texts):
            for category in CATEGORIES:
                draw = np.random.default_rng((seed, number, CATEGORIES.index(category)))
                _injected_rates(rates, f"{category} ({use})", text, injector.inject(text, category, draw), reader)
    return tuple(rates.rows.values())


def _injected_rates(rates: _Rates, what: str, text: str, injected: Injected | None, reader: FindingsReader) -> None:
    rates.add(f"{what}: applies", None, injected is not None)
    if injected is None:
        return
    rates.add("all categories: exactly one sentence changed or added", 1.0, _one_sentence(text, injected.text))
    if injected.category in PREFERRED:
        shown = _SHOWN[injected.category](_Readings(text, reader), _Readings(injected.text, reader))
        rates.add(f"{what}: the labeler shows it", 0.95, shown)


def _one_sentence(text: str, told: str) -> bool:
    before, after = (Counter(one.text for one in sentences(one_text)) for one_text in (text, told))
    return (after - before).total() == 1 and (before - after).total() <= 1


class _Readings:
    """What the labeler reads from a text, as counts of the chosen properties."""

    def __init__(self, text: str, reader: FindingsReader) -> None:
        self._found = reader.read(text, "")

    def by(self, *properties: str) -> Claims:
        return Counter(tuple(str(getattr(one, name)) for name in properties) for one in self._found)


def _severity_shown(before: _Readings, after: _Readings) -> bool:
    return _same_statuses(before, after) and before.by("name", "severity") != after.by("name", "severity")


def _location_shown(before: _Readings, after: _Readings) -> bool:
    where = ("name", "location", "laterality")
    return _same_statuses(before, after) and before.by(*where) != after.by(*where)


def _false_finding_shown(before: _Readings, after: _Readings) -> bool:
    new = after.by("name", "status") - before.by("name", "status")
    return any(status != "absent" and name != NO_FINDING for name, status in new)


def _negation_shown(before: _Readings, after: _Readings) -> bool:
    old, new = before.by("name", "status"), after.by("name", "status")
    turned = {name for name, status in old - new if status != "absent"}
    return any(status == "absent" and name in turned for name, status in new - old)


def _same_statuses(before: _Readings, after: _Readings) -> bool:
    return before.by("name", "status") == after.by("name", "status")


_SHOWN: Mapping[Category, Callable[[_Readings, _Readings], bool]] = {
    "change severity": _severity_shown,
    "change location": _location_shown,
    "false prediction": _false_finding_shown,
    "false negation": _negation_shown,
}


def variant_card(count: int = REPORTS, seed: int = SEED) -> Iterator[str]:
    """Yield the lines of the card; raises CorpusMissing if Open-I is not installed."""
    texts = drawn_texts(openi.read().reports, count, seed)
    yield f"Report variants: {len(texts)} reports of the Open-I training split, seed {seed}"
    yield from (rate.line() for rate in variant_rates(texts, seed))
    yield ""
    yield f"Injected errors: the same {len(texts)} reports, one error of each category where it applies"
    yield from (rate.line() for rate in injection_rates(texts, seed))


if __name__ == "__main__":
    for line in variant_card():
        sys.stdout.write(line + "\n")
