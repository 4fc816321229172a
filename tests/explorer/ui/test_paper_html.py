from __future__ import annotations

import re

from explorer.paper import PaperGroup, PaperRow, PaperTable, read_paper_tables
from explorer.ui import paper_html

HOSTILE = '<img src=x onerror="alert(1)">'


def test_figures_are_printed_with_the_papers_decimals_and_a_dash_where_it_has_none():
    groups = (PaperGroup("Mean rank", 2, ("people",)), PaperGroup("First places", 0, ("people", "LLMs")))
    table = PaperTable("Table 6", "", (), groups, (PaperRow("A", "", (2.5, 360.0, None)),))
    assert re.findall(r"<td[^>]*>([^<]*)", paper_html.tables([table])) == ["2.50", "360", "–"]


def test_each_table_is_folded_and_stands_in_the_papers_hand():
    page = paper_html.tables(read_paper_tables())
    assert page.count('<section class="reported"><details><summary>') == 3
    assert page.count("Reported by the paper, ") == 3
    assert "<details open" not in page


def test_nothing_of_a_table_reaches_the_page_as_markup():
    groups = (PaperGroup(HOSTILE, 3, (HOSTILE,)),)
    page = paper_html.tables([PaperTable(HOSTILE, HOSTILE, (HOSTILE,), groups, (PaperRow(HOSTILE, HOSTILE, (1.0,)),))])
    assert "<img" not in page
    assert page.count("&lt;img") == 8
