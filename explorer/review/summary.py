"""All that is known of a review, as one record; and as rows for a table, a CSV or a JSON file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from explorer.export import cell
from explorer.review.agreement import Agreement, concordance, judges_and_humans, pairs
from explorer.review.records import PRACTICE, Answer, Ballot, Case, Review
from explorer.review.statistics import (
    ALL,
    HUMAN,
    JUDGES,
    Difference,
    ErrorCount,
    RaterRow,
    Standing,
    ballots,
    differences,
    errors_by_model,
    pooled,
    ranks_of,
    rater_rows,
    standings,
)
from explorer.review.store import Event, ReviewStore

Row = Sequence[object]


@dataclass(frozen=True)
class Summary:
    """A review, everybody's answers, and what they add up to."""

    review: Review
    cases: tuple[Case, ...]  # that count
    answers: Mapping[str, Mapping[int, Answer]]  # reviewer → case → answer
    cast: tuple[Ballot, ...]  # of reviewers, then of judges
    raters: tuple[RaterRow, ...]
    standings: tuple[Standing, ...]  # of humans, of judges, of all
    differences: tuple[Difference, ...]  # of humans
    errors: tuple[ErrorCount, ...]
    concordance: Agreement  # of humans
    pairs: tuple[Agreement, ...]  # of humans
    judges: tuple[Agreement, ...]  # each with each human
    events: tuple[Event, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the raters, humans before judges."""
        return tuple(dict.fromkeys(row.rater for row in self.raters))

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models, the best first as all raters see them."""
        return tuple(one.model for one in self.standings if one.group == ALL)


def summarise(store: ReviewStore, review: str) -> Summary:
    """Add a review up. Raises BadReview if it is not there."""
    known = store.review(review)
    cases = tuple(case for case in store.cases(review) if case.number != PRACTICE)
    answers = store.answers(review)
    human = ballots(cases, answers)
    cast = (*human, *store.judgements(review))
    return Summary(
        known,
        cases,
        answers,
        cast,
        rater_rows(cast),
        tuple(one for group in (HUMAN, JUDGES, ALL) for one in standings(cast, group)),
        differences(cast, HUMAN),
        errors_by_model(cases, answers),
        concordance(human),
        pairs(human),
        judges_and_humans(cast),
        store.events(review),
    )


def table_c9(summary: Summary) -> list[Row]:
    """Return the form of Table C.9: a row a model, for each rater its mean rank and first places, the head first."""
    at = {(row.rater, row.model): row for row in summary.raters}
    head = ["model", *(f"{name} {what}" for name in summary.names for what in ("mean rank", "#1", "n"))]
    rows: list[Row] = [head]
    for model in summary.models:
        found = [at.get((name, model)) for name in summary.names]
        rows.append([model, *(value for row in found for value in _cell(row))])
    return rows


def table_6(summary: Summary) -> list[Row]:
    """Return the form of Table 6: mean ranks of humans, judges and all, and first places, the head first."""
    found = {group: {one.model: one for one in pooled(summary.raters, group)} for group in (HUMAN, JUDGES, ALL)}
    head = ["model", "human mean rank", "judge mean rank", "overall mean rank", "human #1", "judge #1"]
    rows: list[Row] = [head]
    for model in summary.models:
        human, judges, overall = (found[group].get(model) for group in (HUMAN, JUDGES, ALL))
        ranks = ["" if one is None else round(one.mean_rank, 4) for one in (human, judges, overall)]
        rows.append([model, *ranks, *("" if one is None else one.first for one in (human, judges))])
    return rows


def ratings(summary: Summary) -> list[Row]:
    """Return every ballot of every rater: a row for each case and model, the head first."""
    about = ["case", "study", "rater", "kind", "report", "model"]
    rows: list[Row] = [[*about, "rank", "errors", "critical", "comment", "flagged", "seconds"]]
    at = {case.number: case for case in summary.cases}
    for ballot in summary.cast:
        case, answer = at[ballot.case], summary.answers.get(ballot.rater, {}).get(ballot.case, Answer())
        for place, candidate in enumerate(case.candidates):
            marks = [mark for mark in answer.marks if mark.candidate == place]
            kinds = "; ".join(mark.kind for mark in marks)
            critical = sum(mark.critical for mark in marks)
            said = (answer.comment, int(answer.flagged), answer.seconds) if ballot.kind == "human" else ("", "", "")
            for model in candidate.models:
                rank = ballot.ranks.get(model, "")
                rows.append(
                    [case.number, case.study, ballot.rater, ballot.kind, place + 1, model, rank, kinds, critical, *said]
                )
    return rows


def blinding_key(summary: Summary) -> list[Row]:
    """Return which model stood behind which report of which case, the head first."""
    head = ["seed", "case", "study", "report", "model", "candidate study"]
    rows: list[Row] = [head]
    rows += [
        [summary.review.seed, case.number, case.study, place, origin.model, origin.study]
        for case in summary.cases
        for place, candidate in enumerate(case.candidates, 1)
        for origin in candidate.origins
    ]
    return rows


def as_record(summary: Summary, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return everything as JSON values, with the trail of every change."""
    return {
        "review": asdict(summary.review),
        "cases": [asdict(case) for case in summary.cases],
        "answers": {
            reviewer: {
                str(number): {**asdict(answer), "ranks": _by_model(summary, number, answer)}
                for number, answer in given.items()
            }
            for reviewer, given in summary.answers.items()
        },
        "table_c9": table_c9(summary),
        "table_6": table_6(summary),
        "standings": [asdict(one) for one in summary.standings],
        "differences": [asdict(one) for one in summary.differences],
        "errors": [asdict(one) for one in summary.errors],
        "agreement": {
            "kendalls_w": asdict(summary.concordance),
            "tau_b": [asdict(one) for one in summary.pairs],
            "judges_with_humans": [asdict(one) for one in summary.judges],
        },
        "events": [asdict(one) for one in summary.events],
        "changes": list(changes),
    }


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV (RFC 4180) that no spreadsheet runs, marked as UTF-8."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerows([cell(value) if isinstance(value, str) else value for value in row] for row in rows)
    return f"\ufeff{out.getvalue()}"


def _cell(row: RaterRow | None) -> tuple[object, object, object]:
    return ("", "", "") if row is None else (round(row.mean_rank, 4), row.first, row.n)


def _by_model(summary: Summary, number: int, answer: Answer) -> dict[str, int]:
    case = next(case for case in summary.cases if case.number == number)
    return ranks_of(case, answer.levels) if answer.ranked else {}
