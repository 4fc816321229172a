"""Result records to HTML: tables that read like the paper's, a chart for each column. Every text passes `escape`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from explorer.results import (
    ALL,
    MEASURE,
    SURE,
    Column,
    Comparison,
    Encoder,
    Figure,
    Measured,
    Paper,
    PaperFigure,
    Task,
    in_order,
)
from explorer.ui.chart import best, chart, interval, number, scale_of, whisker
from explorer.ui.render import escape

COMMAND = f"{MEASURE} --json assets/results/text.json"
SHORT = 8  # characters of a head that need no break
CHECKPOINT = 8  # characters of a checkpoint's sha256 that name it
FLOOR = "floor: an answer that ignores the query"
CHANCE = "chance: guessing"
LEGEND = (
    "Bar: 95 % interval. Tick: the figure. Each column runs from 0 to its own end; its best is in colour. "
    "≠ told apart from {first} (p < 0.05 by Holm’s correction), ≈ not. Floor: an answer that ignores the query. "
    "Point at a figure, or move among them with the arrow keys, to read it in full. Press a column’s head to chart it."
)
COMPARABLE = (
    "Encoders in one column: yes. They answered the same queries over the same bank; ≠ says where a difference is more "
    "than chance, corrected for all comparisons of the task.",
    "Columns of different tasks, or parts of one task: no. Queries, bank, chance and floor are others.",
    "A figure without its floor: no. Where a text is very common, an answer that ignores the query is often right.",
    "Two tables measured here: only if corpus and split are the same; the corpus’s checksum stands above each.",
    "Precisions of one encoder: as two encoders. A quantized tower has figures of its own.",
    "Measured here with the paper’s: no. Other reports, other filters, and other definitions of Task 1 and Task 5.",
    "Mean ranks of a review with those of the paper’s Table 6: no. Other cases, candidates and raters.",
)


@dataclass(frozen=True)
class Group:
    """The columns of one task: for each part those of its measures. Only one part is shown at a time."""

    task: Task
    parts: tuple[str, ...]
    columns: tuple[Column, ...]

    def of(self, part: str) -> list[Column]:
        """Return the columns of a part."""
        return [column for column in self.columns if column.part == part]

    def place(self, part: str) -> str:
        """Return the attributes by which the page finds what belongs to a part; only the first part is shown."""
        hidden = "" if part == self.parts[0] else " hidden"
        return f'data-task="{escape(self.task.task)}" data-part="{escape(part)}"{hidden}'

    def cell(self, column: Column) -> str:
        """Return the attributes of a column's cells."""
        first = ' class="first"' if column == self.of(column.part)[0] else ""
        return f"{self.place(column.part)}{first}"

    def n(self, part: str) -> str:
        """Return how many queries a part has; two numbers where figures differ."""
        found = sorted({figure.n for column in self.of(part) for figure in column.figures})
        return " – ".join(f"{n:,}" for n in dict.fromkeys((found[0], found[-1])))


def unmeasured() -> str:
    """Return what stands in the table's place before anything was measured."""
    return (
        '<section class="here"><h2>Measured here</h2><div class="empty"><p>Nothing has been measured yet.</p>'
        f"<p>This command measures the encoders on the test split, and this page shows what it found:</p>"
        f"<pre><code>{escape(COMMAND)}</code></pre></div></section>"
    )


def own(results: Measured) -> str:
    """Return what was measured again on this machine, apart from what was shipped."""
    return measured(results, "Measured on this machine")


def comparable() -> str:
    """Return what may be set against what."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in COMPARABLE)
    return f'<section class="compared"><h2>What may be compared</h2><ul class="notes">{lines}</ul></section>'


def measured(results: Measured, title: str = "Measured here") -> str:
    """Return the table of Tasks 1–5: a row an encoder, a column group a task, and below it the chart of a column."""
    groups = [group for task in results.tasks if (group := _group(results, task)).columns]
    head = f"<tr>{_corner()}{''.join(_group_head(group) for group in groups)}</tr><tr>{_measure_heads(groups)}</tr>"
    rows = "".join(_row(results, groups, encoder) for encoder in results.encoders)
    lines = _reference_row(groups, "floor", FLOOR) + _reference_row(groups, "chance", CHANCE)
    legend = escape(LEGEND.format(first=results.encoders[0].name))
    return (
        f'<section class="here"><h2>{escape(title)}</h2><p class="about">{_about(results)}</p>'
        f'{table(head, f"{rows}{lines}")}<p class="said" data-rest="{legend}">{legend}</p>{_charts(groups)}</section>'
    )


def paper(reported: Paper) -> str:
    """Return the paper's own table, apart from what was measured and in another hand."""
    order = dict.fromkeys(figure.task for figure in reported.figures)
    groups = [(task, in_order(f.measure for f in reported.figures if f.task == task)) for task in order]
    heads = "".join(f'<th class="first" scope="colgroup" colspan="{len(m)}">Task {escape(t)}</th>' for t, m in groups)
    at = {(figure.encoder, figure.task, figure.measure): figure for figure in reported.figures}
    rows = "".join(_paper_row(encoder, groups, at) for encoder in dict.fromkeys(f.encoder for f in reported.figures))
    notes = "".join(f"<li>{escape(note)}</li>" for note in reported.notes)
    return (
        f'<section class="reported"><h2>Reported by the paper</h2><p class="about">{escape(reported.why_not_the_same)}'
        f"</p>{table(f'<tr>{_corner()}{heads}</tr><tr>{_plain_heads(groups)}</tr>', rows)}"
        f'<ul class="notes">{notes}<li>{escape(reported.source)}</li></ul></section>'
    )


def table(head: str, body: str) -> str:
    """A table in a box of its own to scroll in; the Tab key enters it at its first figure."""
    entered = body.replace('tabindex="-1"', 'tabindex="0"', 1)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{entered}</tbody></table></div>'


def _group(results: Measured, task: Task) -> Group:
    parts = results.parts(task.task)
    places = [(part, measure) for part in parts for measure in results.measures(task.task, part)]
    return Group(task, parts, tuple(results.column(task, part, measure) for part, measure in places))


def _about(results: Measured) -> str:
    day = f"{results.measured.day} {results.measured:%B %Y}"
    corpus = f"{results.corpus} ({results.corpus_sha256[:CHECKPOINT]}), {results.split} split"
    return f"{escape(corpus)} · {day} · n counts queries, distinct counts the different texts they are ranked among"


def _corner() -> str:
    return '<th class="name" scope="col" rowspan="2">Encoder</th>'


def _group_head(group: Group) -> str:
    task = group.task
    about = f"{task.about} Query: {task.query}. Bank: {task.bank}."
    counts = "".join(
        f'<span class="n" {group.place(part)}>n {group.n(part)} · {task.n_distinct:,} distinct</span>'
        for part in group.parts
    )
    return (
        f'<th class="first" scope="colgroup" colspan="{len(group.of(group.parts[0]))}" title="{escape(about)}">'
        f"<span>Task {escape(task.task)}</span> <b>{escape(task.title)}</b>{counts}{_part_switch(group)}</th>"
    )


def _part_switch(group: Group) -> str:
    if len(group.parts) < 2:
        return ""
    options = "".join(f'<option value="{escape(part)}">{escape(part)}</option>' for part in group.parts)
    label = escape(f"Part of task {group.task.task}")
    return f'<select data-task="{escape(group.task.task)}" aria-label="{label}" autocomplete="off">{options}</select>'


def _measure_heads(groups: Sequence[Group]) -> str:
    return "".join(_measure_head(group, column, groups[0]) for group in groups for column in group.columns)


def _measure_head(group: Group, column: Column, first: Group) -> str:
    pressed = "true" if column == first.columns[0] else "false"
    return (
        f'<th scope="col" {group.cell(column)}><button type="button" aria-pressed="{pressed}" '
        f'data-measure="{escape(column.measure)}" title="chart {escape(column.measure)}">{_short(column.measure)}'
        "</button></th>"
    )


def _plain_heads(groups: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return "".join(
        f'<th scope="col"{_first(place)}>{_short(measure)}</th>'
        for _, measures in groups
        for place, measure in enumerate(measures)
    )


def _short(measure: str) -> str:
    """A measure as the head of a narrow column."""
    words = measure.replace("recall@", "R@").removeprefix("accuracy ").strip("()")
    return escape(words).replace("@", "<wbr>@") if len(words) > SHORT else escape(words)


def _row(results: Measured, groups: Sequence[Group], encoder: Encoder) -> str:
    cells = "".join(
        _cell(column, column.of(encoder.name), group.cell(column), results)
        for group in groups
        for column in group.columns
    )
    return f"<tr>{_name(encoder)}{cells}</tr>"


def _name(encoder: Encoder) -> str:
    checkpoint = " · ".join(word for word in (encoder.precision, encoder.revision[:CHECKPOINT]) if word)
    facts = [f"{encoder.pooling} pooling"] if encoder.pooling else []
    facts += [f"{encoder.dim} dimensions"] if encoder.dim else []
    facts += ["queries carry an instruction"] if encoder.instructed else []
    title = ": ".join(filter(None, (encoder.name, ". ".join(filter(None, (", ".join(facts), encoder.note))))))
    return (
        f'<th class="name" scope="row" tabindex="-1" title="{escape(title)}">{escape(encoder.name)}'
        f"<small>{escape(checkpoint)}</small></th>"
    )


def _cell(column: Column, figure: Figure | None, attributes: str, results: Measured) -> str:
    if figure is None:
        return f"<td {attributes}>–</td>"
    compared = results.against_first(figure)
    return (
        f'<td tabindex="-1" {attributes} title="95 % interval {interval(figure)}" '
        f'aria-label="{escape(_in_full(column, figure, compared))}">'
        f"<b{best(column, figure)}>{number(figure.value, figure.measure)}</b>"
        f"{_mark(compared)}{whisker(figure, scale_of(column.span))}</td>"
    )


def _in_full(column: Column, figure: Figure, compared: Comparison | None) -> str:
    """A figure with everything needed to judge it, as one line of words."""
    part = "all" if figure.part == ALL else figure.part
    facts = [
        f"95 % interval {interval(figure)}",
        f"n {figure.n:,}",
        f"{column.task.n_distinct:,} distinct",
        *(
            f"{name} {number(value, figure.measure)}"
            for name, value in (("chance", figure.chance), ("floor", figure.floor), ("shuffled", figure.shuffled))
            if value is not None
        ),
    ]
    if compared is not None:
        facts.append(_against(compared))
    if figure.instruction:
        facts.append(f"instruction “{figure.instruction}”")
    where = f"{figure.encoder}, task {figure.task} ({part}), {figure.measure}"
    return f"{where}: {number(figure.value, figure.measure)}; {', '.join(facts)}"


def _against(compared: Comparison) -> str:
    side = "above" if compared.difference >= 0 else "below"
    p, corrected = (f"p {p:.4f}" if p >= 0.0001 else "p < 0.0001" for p in (compared.p, compared.p_holm))
    return f"{compared.encoder} is {abs(compared.difference):.3f} {side} ({p}, {corrected} by Holm’s correction)"


def _mark(compared: Comparison | None) -> str:
    if compared is None:
        return ""
    return f"<sup>{'≠' if compared.p_holm < SURE else '≈'}</sup>"


def _reference_row(groups: Sequence[Group], name: str, meaning: str) -> str:
    """Chance or floor as a row, with a dash where a column has none."""
    cells = ""
    for group in groups:
        for column in group.columns:
            value = column.chance if name == "chance" else column.floor
            cells += f"<td {group.cell(column)}>{'–' if value is None else number(value, column.measure)}</td>"
    return f'<tr class="line"><th class="name" scope="row" title="{meaning}">{name}</th>{cells}</tr>'


def _charts(groups: Sequence[Group]) -> str:
    first = groups[0].columns[0]
    drawn = (
        chart(column, _chart_title(group, column), shown=column == first)
        for group in groups
        for column in group.columns
    )
    return f'<div class="charts">{"".join(drawn)}</div>'


def _chart_title(group: Group, column: Column) -> str:
    part = f" · {column.part}" if len(group.parts) > 1 else ""
    line = f"Task {column.task.task} · {column.task.title} · {column.measure}{part} · n {group.n(column.part)}"
    return f"<b>{escape(line)}</b> <span>{escape(column.task.about)}</span>"


def _paper_row(
    encoder: str, groups: Sequence[tuple[str, tuple[str, ...]]], at: dict[tuple[str, str, str], PaperFigure]
) -> str:
    cells = ""
    for task, measures in groups:
        for place, measure in enumerate(measures):
            figure = at.get((encoder, task, measure))
            cells += f"<td{_first(place)}>{'–' if figure is None else f'{figure.value:.3f}'}</td>"
    return f'<tr><th class="name" scope="row">{escape(encoder)}</th>{cells}</tr>'


def _first(place: int) -> str:
    return ' class="first"' if place == 0 else ""
