"""Filters as SQL over the studies of a corpus, and what there is to filter by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from explorer.types import Filters, FindingFilter, Status

STATUSES: tuple[Status, ...] = ("present", "uncertain", "absent")  # a study has the first of them that it says

_AGE_FROM = "json_extract(meta, '$.age') >= :min_age"
_AGE_TO = "json_extract(meta, '$.age') <= :max_age"
_VIEW = "EXISTS (SELECT 1 FROM json_each(meta, '$.views') WHERE value = :view)"
_SEX = "json_extract(meta, '$.sex') = :sex"
_SECTION = "EXISTS (SELECT 1 FROM json_each(sections) WHERE key = :section AND trim(value) <> '')"
_SOURCE = "source = :source"
_SIMPLE = {
    "min_age": _AGE_FROM,
    "max_age": _AGE_TO,
    "view": _VIEW,
    "sex": _SEX,
    "section": _SECTION,
    "source": _SOURCE,
}
_RANK = "MIN(CASE status WHEN 'present' THEN 0 WHEN 'uncertain' THEN 1 ELSE 2 END)"
_SAID = "SELECT study FROM findings WHERE name = :{0} OR observation = :{0} GROUP BY study HAVING {1} IN ({2})"
_BY_STATUS = f"""
WITH named AS (SELECT study, name AS finding, status FROM findings
               UNION ALL SELECT study, observation, status FROM findings WHERE observation <> name),
     said AS (SELECT finding, {_RANK} AS rank FROM named GROUP BY finding, study)
SELECT finding, rank, COUNT(*) FROM said GROUP BY finding, rank
"""  # noqa: S608  nothing but words of this file
_BY_SEX = "SELECT json_extract(meta, '$.sex') AS sex, COUNT(*) FROM studies WHERE sex IS NOT NULL GROUP BY sex"
_BY_SOURCE = "SELECT source, COUNT(*) FROM studies GROUP BY source"
_BY_VIEW = "SELECT value, COUNT(DISTINCT studies.id) FROM studies, json_each(meta, '$.views') GROUP BY value"
COUNTS = {"sexes": _BY_SEX, "sources": _BY_SOURCE, "views": _BY_VIEW}
FINDING_COUNTS = _BY_STATUS


@dataclass(frozen=True)
class Facets:
    """How many studies each choice of a filter lets through by itself."""

    findings: Mapping[str, Mapping[Status, int]]
    sexes: Mapping[str, int]
    sources: Mapping[str, int]
    views: Mapping[str, int]


def matching(filters: Filters) -> tuple[str, dict[str, object]]:
    """Return the SQL for the ids of all studies that pass, with its parameters."""
    values: dict[str, object] = {name: getattr(filters, name) for name in _SIMPLE}
    given = {name: value for name, value in values.items() if value is not None}
    conditions = [_SIMPLE[name] for name in given]
    for number, wanted in enumerate(filters.findings):
        given[f"finding_{number}"] = wanted.name
        conditions.append(f"id IN ({_said(f'finding_{number}', wanted)})")
    for number, name in enumerate(filters.without):
        given[f"without_{number}"] = name
        conditions.append(f"id NOT IN ({_SAID.format(f'without_{number}', _RANK, '0, 1')})")
    return f"SELECT id FROM studies WHERE {' AND '.join(conditions) or '1'}", given  # noqa: S608  parameters are bound


def _said(parameter: str, wanted: FindingFilter) -> str:
    ranks = range(len(STATUSES)) if wanted.status is None else (STATUSES.index(wanted.status),)
    return _SAID.format(parameter, _RANK, ", ".join(map(str, ranks)))
