"""What a person can choose on the Search page, and what a choice means to the engine and in an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs, urlencode

from explorer.errors import BadQuery
from explorer.language.findings import DEVICES
from explorer.language.labels import LABELS
from explorer.store_filters import STATUSES, Facets
from explorer.types import SCOPES, Filters, FindingFilter, Scope, Sex, Status

HOW_MANY = (5, 10, 25, 50)
VIEWS = (("any", ""), ("PA", "PA"), ("AP", "AP"), ("lateral", "LATERAL"))  # shown, sent
SEXES = (("any", ""), ("F", "F"), ("M", "M"))
PARTS = (("any", ""), *((name, name) for name in ("findings", "impression", "indication", "comparison")))
FINDINGS = frozenset({*LABELS, *DEVICES})
MOST_FINDINGS = 8  # of either kind

Choices = list[tuple[str, str]]  # shown, sent

_SEXES: tuple[Sex, ...] = ("F", "M")
_BETWEEN = " · "  # a finding and its status, as shown and sent


@dataclass(frozen=True)
class Chosen:
    """The options as a browser sends them, in the order of the page; nothing of it is checked yet."""

    encoder: object
    scope: object
    k: object
    min_age: object = ""
    max_age: object = ""
    view: object = ""
    sex: object = ""
    part: object = ""
    findings: object = ()
    without: object = ()
    corpus: object = None


@dataclass(frozen=True)
class Wanted:
    """How a query is to be answered; the names are those of `Explorer.by_text` and `Explorer.by_image`."""

    encoder: str
    scope: Scope
    k: int
    filters: Filters
    corpus: str | None = None  # None: the one that is searched where none is named

    @classmethod
    def read(cls, *options: object) -> Wanted:
        """Read the options in the order of `Chosen`. Raises BadQuery for anything that the page does not offer."""
        chosen = Chosen(*options)
        scopes = [name for name in SCOPES if name == chosen.scope]
        counts = [count for count in HOW_MANY if count == chosen.k]
        if not (scopes and counts):
            raise _no_such_option()
        corpus = None if chosen.corpus is None else str(chosen.corpus)
        return cls(str(chosen.encoder), scopes[0], counts[0], _filters(chosen), corpus)

    def address(self) -> str:
        """Return these choices as the query of an address; never what was asked."""
        filters = self.filters
        said = {
            "corpus": self.corpus,
            "encoder": self.encoder,
            "section": self.scope,
            "k": self.k,
            **{name: getattr(filters, name) for name in ("min_age", "max_age", "view", "sex")},
            "has": filters.section,
            "finding": [shown_finding(wanted) for wanted in filters.findings],
            "without": list(filters.without),
        }
        return urlencode({name: value for name, value in said.items() if value not in (None, [])}, doseq=True)

    def boxes(self) -> Chosen:
        """Return what the boxes of the page show for these choices."""
        filters = self.filters
        return Chosen(
            encoder=self.encoder,
            scope=self.scope,
            k=self.k,
            min_age="" if filters.min_age is None else str(filters.min_age),
            max_age="" if filters.max_age is None else str(filters.max_age),
            view=filters.view or "",
            sex=filters.sex or "",
            part=filters.section or "",
            findings=[shown_finding(wanted) for wanted in filters.findings],
            without=list(filters.without),
            corpus=self.corpus,
        )


def restored(address: str, default: Wanted, encoders: Sequence[str], corpora: Sequence[str]) -> Wanted:
    """Return the choices an address names; what it does not name, or names wrongly, is as in `default`."""
    said = parse_qs(address.removeprefix("?")[:4_000], max_num_fields=64)
    first = {name: values[0] for name, values in said.items()}
    tried = {
        "encoder": _among(first.get("encoder"), encoders),
        "scope": _among(first.get("section"), SCOPES),
        "k": next((count for count in HOW_MANY if str(count) == first.get("k")), None),
        "corpus": _among(first.get("corpus"), corpora) if len(corpora) > 1 else None,
        "view": _among(first.get("view"), [sent for _, sent in VIEWS]),
        "sex": _among(first.get("sex"), _SEXES),
        "part": _among(first.get("has"), [sent for _, sent in PARTS]),
        "min_age": _age_in(first.get("min_age")),
        "max_age": _age_in(first.get("max_age")),
        "findings": [name for name in said.get("finding", ()) if _is_finding(name)],
        "without": [name for name in said.get("without", ()) if name in FINDINGS],
    }
    chosen = asdict(default.boxes()) | {name: value for name, value in tried.items() if value}
    return Wanted.read(*chosen.values())


def shown_finding(wanted: FindingFilter) -> str:
    """Return a finding and its status as the page shows and sends them."""
    return wanted.name if wanted.status is None else f"{wanted.name}{_BETWEEN}{wanted.status}"


def finding_choices(facets: Facets | None) -> tuple[Choices, Choices]:
    """Return what may be asked for, and what may be excluded: each as (shown with its number of studies, sent).

    Everything that reports are read for is offered, the commonest first; None counts nothing yet.
    """
    counts = {name: facets.findings.get(name, {}) if facets else {} for name in sorted(FINDINGS)}
    asked, excluded = [], []
    for name, of_status in sorted(counts.items(), key=lambda item: -_claimed(item[1])):
        asked += [(shown_finding(FindingFilter(name, one)), of_status.get(one, 0)) for one in STATUSES]
        excluded.append((name, _claimed(of_status)))
    asked.sort(key=lambda pair: pair[1] == 0)

    def shown(pairs: list[tuple[str, int]]) -> Choices:
        return [(f"{sent} ({count:,})" if facets else sent, sent) for sent, count in pairs]

    return shown(asked), shown(excluded)


def _claimed(counts: Mapping[Status, int]) -> int:
    return counts.get("present", 0) + counts.get("uncertain", 0)


def _filters(chosen: Chosen) -> Filters:
    offered = ((VIEWS, chosen.view), (SEXES, chosen.sex), (PARTS, chosen.part))
    if any(picked not in [sent for _, sent in offer] for offer, picked in offered):
        raise _no_such_option()
    return Filters(
        min_age=_years(chosen.min_age),
        max_age=_years(chosen.max_age),
        view=str(chosen.view) or None,
        sex=next((sex for sex in _SEXES if sex == chosen.sex), None),
        section=str(chosen.part) or None,
        findings=tuple(_finding(name) for name in _several(chosen.findings)),
        without=tuple(_excluded(name) for name in _several(chosen.without)),
    )


def _several(sent: object) -> list[str]:
    names = list(sent) if isinstance(sent, list | tuple) else []
    if len(names) > MOST_FINDINGS:
        raise BadQuery(f"Choose at most {MOST_FINDINGS} findings of a kind.")
    return [str(name) for name in names]


def _finding(sent: str) -> FindingFilter:
    name, _, status = sent.partition(_BETWEEN)
    statuses = [known for known in STATUSES if known == status]
    if name not in FINDINGS or (status and not statuses):
        raise _unknown_finding()
    return FindingFilter(name, statuses[0] if statuses else None)


def _is_finding(sent: str) -> bool:
    try:
        return _finding(sent).name in FINDINGS
    except BadQuery:
        return False


def _excluded(name: str) -> str:
    if name not in FINDINGS:
        raise _unknown_finding()
    return name


def _among(said: str | None, known: Sequence[str]) -> str | None:
    return said if said in known else None


def _age_in(said: str | None) -> str | None:
    return said if said and said.isdecimal() and len(said) <= 3 else None


def _years(text: object) -> int | None:
    """Return an age in years; None for an empty box."""
    written = str(text or "").strip()
    if not written:
        return None
    if not written.isdecimal():
        raise BadQuery("An age is a whole number of years. Leave the box empty for any age.")
    return int(written)


def _no_such_option() -> BadQuery:
    return BadQuery("The page offers no such option. Reload it and choose again.")


def _unknown_finding() -> BadQuery:
    return BadQuery("Reports are not read for such a finding. Choose one from the list.")
