"""What the right column says of a hit: why it is here, what else it says, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable

from explorer.language.sentences import sentences
from explorer.types import Agreement, Finding, Hit, Report
from explorer.ui.render import VERDICT_SIGNS, escape, redact

STATUS_WORDS = {"present": "", "absent": "no ", "uncertain": "possible "}


def named(finding: Finding) -> str:
    """Return a finding in words: "small left pleural effusion", "no pneumothorax", "possible edema"."""
    words = (finding.severity, finding.laterality, finding.name.lower())
    return STATUS_WORDS[finding.status] + " ".join(word for word in words if word)


def why(hit: Hit, score: str, of_a_study: bool) -> str:
    """Return what the right column shows while a hit is selected. of_a_study: the question was another study."""
    report = hit.report
    return (
        f'<header><p class="which"><span class="rank">{hit.rank}</span> {escape(report.id)}</p>'
        '<button type="button" class="plain close" data-act="close" aria-label="Close">×</button></header>'
        f'<p class="how">{score}</p>{_asked(hit, of_a_study)}{_also(hit)}'
        f"{_acts(report)}{_original(report)}{_about(report)}"
    )


def _asked(hit: Hit, of_a_study: bool) -> str:
    if not hit.agreement:
        return '<p class="none">No finding was asked for in words, so none can be compared.</p>'
    rows = "".join(_row(one, hit.report) for one in hit.agreement)
    whose = "its findings" if of_a_study else "your findings"
    return (
        f'<table class="asked"><thead><tr><th scope="col">{whose}</th><th scope="col">this report</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(one: Agreement, report: Report) -> str:
    said = "not mentioned"
    if one.found is not None:
        quote = report.sections.get(one.found.section, "")[one.found.start : one.found.end]
        said = f"{redact(quote)} <small>{escape(one.found.status)}</small>"
    return (
        f'<tr class="{one.verdict.replace(" ", "-")}"><th scope="row"><span class="sign" aria-label="{one.verdict}">'
        f"{VERDICT_SIGNS[one.verdict]}</span> {escape(named(one.asked))}</th><td>{said}</td></tr>"
    )


def _also(hit: Hit) -> str:
    """What the report claims that was not asked for, each with a way to leave such reports out."""
    asked = {one.asked.name for one in hit.agreement}
    claimed: dict[str, Finding] = {}
    for finding in hit.report.findings:
        if finding.name not in asked and finding.status != "absent":
            claimed.setdefault(finding.name, finding)
    if not claimed:
        return ""
    items = "".join(
        f"<li>{escape(named(finding))} "
        f'<button type="button" class="plain" data-without="{escape(finding.name)}" '
        f'aria-label="leave out reports with {escape(finding.name.lower())}">leave out</button></li>'
        for finding in claimed.values()
    )
    head = "it also says" if hit.agreement else "it says"
    return f'<h3>{head}</h3><ul class="also">{items}</ul>'


def _acts(report: Report) -> str:
    whole = "\n".join(f"{name.capitalize()}: {text}" for name, text in report.sections.items() if text.strip())
    cite = f"{report.id} ({report.source}), {report.licence}"
    return (
        '<p class="acts"><button type="button" class="plain" data-act="like"><kbd>m</kbd> more like this</button>'
        '<button type="button" class="plain" data-act="onmap">on the map</button>'
        f'<button type="button" class="plain" data-copy="{escape(whole)}"><kbd>c</kbd> copy report</button>'
        f'<button type="button" class="plain" data-copy="{escape(cite)}">cite</button></p>'
    )


def _original(report: Report) -> str:
    """The report as its source wrote it, sentence by sentence, each of which can be copied."""
    parts = "".join(
        f"<h4>{escape(name)}</h4>{''.join(_sentences(text))}" for name, text in report.sections.items() if text.strip()
    )
    return f'<details class="original"><summary>original report</summary>{parts}</details>' if parts else ""


def _sentences(text: str) -> Iterable[str]:
    for sentence in sentences(text):
        shown = escape(sentence.text)
        yield (
            f'<p class="line">{shown} <button type="button" class="plain" data-copy="{shown}" '
            'aria-label="copy this sentence">copy</button></p>'
        )


def _about(report: Report) -> str:
    """Age, sex, films, source and licence, expert codes: the quiet part."""
    codes = "".join(f"<li>{escape(code.replace('/', ' · '))}</li>" for code in report.meta.codes)
    return (
        f"<aside><p>{' · '.join(_facts(report))}</p><p>{escape(report.source)} · {escape(report.licence)}</p>"
        f'<ul class="codes" aria-label="expert codes">{codes}</ul></aside>'
    )


def _facts(report: Report) -> Iterable[str]:
    meta = report.meta
    if meta.age is not None:
        yield f"{meta.age} y"
    if meta.sex is not None:
        yield "female" if meta.sex == "F" else "male"
    if meta.views:
        yield escape(" + ".join(meta.views))
    elif meta.films:
        yield f"{meta.films} film{'s' if meta.films > 1 else ''}"
