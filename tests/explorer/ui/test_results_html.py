from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import made_results
import pytest
from test_render import PAYLOADS, Structure

from explorer import results
from explorer.results import Encoder, Measured, Paper, PaperFigure
from explorer.ui import results_html


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_results.write(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def measured(folder: Path) -> Measured:
    return results.read_measured(folder)


class Table(HTMLParser):
    """The rows of the first table as lists of (attributes, text), without what is hidden."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[dict[str, str | None], str]]] = []
        self.inside = False
        self.feed(markup.partition("</table>")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.inside = "hidden" not in dict(attrs)
            if self.inside:
                self.rows[-1].append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.inside and self.rows and self.rows[-1]:
            attributes, text = self.rows[-1][-1]
            self.rows[-1][-1] = (attributes, text + data)

    def texts(self) -> list[list[str]]:
        return [[text for _, text in row] for row in self.rows]


def test_the_table_has_a_row_for_each_encoder_and_as_many_cells_in_each(measured):
    head, measures, *rows = Table(results_html.measured(measured)).texts()
    assert [row[0] for row in rows] == [
        "pocketbf16 · p5d22063",
        "basebf16 · b5d22063",
        "minilmbf16 · m5d22063",
        "bert4cxrbf16 · b5d22063",
        "bm25",
        "floor",
        "chance",
    ]
    assert {len(row) for row in rows} == {len(measures) + 1}
    assert measures[:3] == ["R@1", "R@5", "R@10"]
    assert len(head) == 1 + 7


def test_column_groups_are_as_wide_as_the_part_that_is_shown(measured):
    head, measures, *_ = Table(results_html.measured(measured)).rows
    assert sum(int(attributes["colspan"] or 0) for attributes, _ in head[1:]) == len(measures)


def test_a_head_names_its_task_with_n_and_the_number_of_distinct_texts(measured):
    head = Table(results_html.measured(measured)).texts()[0]
    assert head[3].startswith("Task 2 Findings → impressionn 672 · 321 distinct")


def test_n_of_a_part_is_there_and_hidden_until_it_is_chosen(measured):
    page = results_html.measured(measured)
    assert '<span class="n" data-task="2" data-part="unseen" hidden>n 248 · 321 distinct</span>' in page
    assert '<option value="unseen">unseen</option>' in page


def test_a_figure_says_everything_needed_to_judge_it(measured):
    cells = [cell for row in Table(results_html.measured(measured)).rows for cell, _ in row]
    said = [str(cell["aria-label"]) for cell in cells if "aria-label" in cell]
    assert (
        "minilm, task 2 (all), recall@1: 0.102; 95 % interval 0.070 – 0.136, n 672, 321 distinct, chance 0.003, "
        "floor 0.094, pocket is 0.259 above (p < 0.0001, p < 0.0001 by Holm’s correction)"
    ) in said
    assert [cell["title"] for cell in cells if cell.get("aria-label") == said[0]] == ["95 % interval 0.328 – 0.394"]


def test_a_p_value_is_a_quiet_mark_beside_what_was_compared(measured):
    rows = Table(results_html.measured(measured)).texts()
    assert [row[1] for row in rows[2:7]] == ["0.361", "0.058≠", "0.102≠", "0.159≠", "0.356≈"]


def test_the_best_of_each_column_is_marked_once(measured):
    page = results_html.measured(measured)
    row = page.split("<tr>")[3]  # two lines of heads before it
    assert row.count('<b class="best">') == len(re.findall("<td ", row))
    assert page.partition("</table>")[0].count('<b class="best">') == row.count('<b class="best">')


def test_a_table_is_entered_at_one_cell_by_the_tab_key(measured):
    table = results_html.measured(measured).partition("</table>")[0]
    assert table.count('tabindex="0"') == 1
    assert table.count('tabindex="-1"') > 100


def test_every_column_has_one_chart_and_only_the_first_is_shown(measured):
    page = results_html.measured(measured)
    charts = re.findall(r'<figure class="chart"[^>]*>', page)
    assert len(charts) == len(re.findall(r"<button", page))
    assert [chart for chart in charts if "hidden" not in chart] == [
        '<figure class="chart" data-task="1 omitted" data-part="all" data-measure="recall@1">'
    ]
    assert page.count('aria-pressed="true"') == 1


def test_what_was_not_measured_is_a_dash(measured):
    without = replace(measured, figures=tuple(one for one in measured.figures if one.encoder != "base"))
    row = Table(results_html.measured(without)).texts()[3]
    assert row[0].startswith("base")
    assert set(row[1:]) == {"–"}


def test_the_page_says_where_when_and_on_which_reports_it_was_measured(measured):
    page = Structure(results_html.measured(measured)).text
    assert "made-up (01234567), test split · 22 November 2026" in page


def test_an_encoder_tells_how_it_pools_and_what_else_is_known(measured):
    page = Structure(results_html.measured(measured)).values
    assert "pocket: latent pooling, 576 dimensions, queries carry an instruction. made up" in page
    assert "bm25: words only, no model" in page


def test_the_papers_table_stands_apart_and_says_why():
    reported = results.read_paper()
    page = results_html.paper(reported)
    head, measures, *rows = Table(page).texts()
    assert head[1:] == ["Task 1 omitted", "Task 2", "Task 3", "Task 4 retrieval", "Task 5"]
    assert measures[6:10] == ["strict", "R@1", "R@3", "R@5"]
    assert next(row for row in rows if row[0] == "LLM2VEC4CXR(1B)")[1:7] == [
        *("0.894", "0.912", "0.918"),
        *("0.162", "0.225", "0.261"),
    ]
    assert reported.why_not_the_same in Structure(page).text
    assert page.startswith('<section class="reported">')
    assert "best" not in page


def test_an_empty_page_says_the_command():
    assert "<code>python -m training.evaluate --json assets/results/text.json</code>" in results_html.unmeasured()


def everything(text: str) -> str:
    """Every function of the module, with `text` in every field that holds text."""
    encoders = [{**made_results.encoder("pocket"), "name": name, "note": text} for name in (text, text + "2")]
    for encoder in encoders:
        encoder |= dict.fromkeys(("revision", "precision", "pooling"), text)
    where = {"task": text, "part": text, "measure": text}
    rows = [
        {**made_results.row("2", "all", "recall@1", "pocket"), **where, "encoder": name, "instruction": text}
        for name in (text, text + "2")
    ]
    comparison = {**made_results.comparison("2", "all", "recall@1", "base"), **where}
    task = {**dict.fromkeys(("task", "title", "about", "query", "bank"), text), "n_distinct": 3}
    raw = {**made_results.text(), **dict.fromkeys(("corpus", "corpus_sha256", "split"), text)}
    raw |= {"encoders": encoders, "rows": [*rows, {**rows[0], "part": f"{text} of a part"}], "tasks": [task]}
    raw |= {"comparisons": [{**comparison, "encoder": text, "against": f"{text}2"}]}
    return results_html.measured(read(raw)) + results_html.paper(paper(text))


def read(raw: dict[str, object]) -> Measured:
    return results._measured(json.loads(json.dumps(raw)))


def paper(text: str) -> Paper:
    return Paper(text, text, (text,), (PaperFigure(text, text, text, 0.5),))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_in_any_field_changes_the_structure_of_the_page(payload):
    assert Structure(everything(payload)).elements == Structure(everything("plain text of a field")).elements


@pytest.mark.parametrize("payload", PAYLOADS[:17])
def test_a_hostile_name_is_shown_as_itself(payload):
    page = Structure(everything(payload))
    assert page.text.count(payload) >= 10
    assert payload in page.values


def test_an_encoder_without_a_note_has_no_stray_sign(measured):
    plain = replace(measured, encoders=(Encoder("bm25", "", "", "", 0, False, ""),))
    assert 'title="bm25">' in results_html.measured(plain)
