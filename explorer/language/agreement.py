"""Does a report say what was asked for? Finding by finding, by status and side."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.types import Agreement, Finding, Verdict

_BEST_FIRST: tuple[Verdict, ...] = ("agrees", "uncertain", "contradicts")


def agreements(asked: Sequence[Finding], found: Sequence[Finding]) -> tuple[Agreement, ...]:
    """Return one verdict for each finding asked for; a finding asked for twice is judged once.

    "agrees": the report says the same, on a side that does not exclude it. "contradicts": it denies what was asked for,
    states what was denied, or puts it on the other side only. "uncertain": either of the two hedges. The mention that
    speaks best for the report decides: a right and a left effusion agree with a left one.
    """
    first = {(finding.name, finding.laterality, finding.status): finding for finding in reversed(asked)}
    once = [finding for finding in asked if first[finding.name, finding.laterality, finding.status] is finding]
    return tuple(_judged(finding, found) for finding in once)


def _judged(asked: Finding, found: Sequence[Finding]) -> Agreement:
    verdicts = [(_verdict(asked, other), other) for other in found if other.name == asked.name]
    if not verdicts:
        return Agreement(asked, "not mentioned", None)
    verdict, deciding = min(verdicts, key=lambda judged: _BEST_FIRST.index(judged[0]))
    return Agreement(asked, verdict, deciding)


def _verdict(asked: Finding, other: Finding) -> Verdict:
    if "uncertain" in (asked.status, other.status):
        return "uncertain"
    same_side = {asked.laterality, other.laterality} != {"left", "right"}
    return "agrees" if asked.status == other.status and same_side else "contradicts"
