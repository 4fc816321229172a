"""The Map page's own markup: what stands still while points, cards and lists come and go. Pure functions.

Everything that changes is put in by the browser as text, never as markup: `assets/theme/map.js`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from explorer.ui.render import escape

if TYPE_CHECKING:
    from explorer.cloud import Cloud, Panel

TOOLS = (
    ("pan", "m", "Move", "drag to move, scroll to zoom"),
    ("lasso", "l", "Lasso", "draw around points"),
    ("select", "b", "Box", "drag a box around points"),
)


def stage() -> str:
    """Return the place where the map is drawn: toolbar, legend, plots, hover card, selection."""
    tools = "".join(
        f'<button type="button" class="plain" data-tool="{name}" aria-pressed="{"true" if name == "pan" else "false"}" '
        f'title="{escape(hint)} ({key})">{label}</button>'
        for name, key, label, hint in TOOLS
    )
    return (
        '<section class="cloud" aria-label="Map" data-empty>'
        '<div class="cloud-bar" role="toolbar" aria-label="Map tools">'
        '<label>Colour <select data-role="colour"></select></label>'
        '<label class="seek"><span class="unseen">Find words in the reports</span>'
        '<input type="search" data-role="seek" placeholder="Find words in the reports" maxlength="200"></label>'
        '<button type="button" class="plain" data-tool="found" hidden></button>'
        f'<span class="tools" role="group" aria-label="Mouse">{tools}</span>'
        '<button type="button" class="plain" data-tool="fit" title="show everything (0)">Fit</button>'
        '<button type="button" class="plain" data-tool="clear" title="forget selection and lines (c)">Clear</button>'
        "</div>"
        '<div class="cloud-body"><ul class="cloud-legend" aria-label="Legend: click to hide a group"></ul>'
        '<div class="cloud-plots"></div>'
        '<aside class="cloud-side" aria-label="Selection" hidden></aside></div>'
        '<div class="cloud-card" hidden></div><p class="unseen" role="status" data-role="spoken"></p></section>'
    )


def welcome() -> str:
    """Return what stands on the page before a map was drawn."""
    return (
        '<div class="empty"><p>Every report of the corpus as a point: near each other where the encoder finds that '
        "they say the same.</p><p>Choose the settings and draw it once; it is kept, and opens at once from then on. "
        "A first map of 4,000 reports takes about a quarter of a minute on one core.</p></div>"
    )


def summary(cloud: Cloud) -> str:
    """Return the status line: how many, drawn how, and how far the picture can be trusted."""
    return "".join(_panel_line(cloud, panel) for panel in cloud.panels)


def _panel_line(cloud: Cloud, panel: Panel) -> str:
    kept, settings = panel.projection.preservation, panel.projection.key.settings
    fitted = panel.projection.fitted
    sampled = f" (laid out by {fitted:,}, the rest placed between them)" if fitted < kept.points else ""
    measured = f"on {kept.probed:,} of {kept.points:,}" if kept.probed < kept.points else f"on all {kept.points:,}"
    return (
        f'<p class="status" role="status"><strong>{escape(panel.encoder)}</strong> · {len(cloud.studies):,} studies, '
        f"{kept.points:,} different texts{sampled} · UMAP, {settings.neighbours} neighbours, "
        f"spread {settings.spread:g}, seed {settings.seed} · <b>{kept.kept:.0%} of the {kept.nearest} nearest kept</b> "
        f"(chance {kept.chance:.1%}), trustworthiness {kept.trustworthiness:.2f}, {measured}{_gap(panel)}</p>"
    )


def _gap(panel: Panel) -> str:
    """Return the gap between reports and films, measured in their space before anything was moved."""
    gap = panel.gap
    if gap is None:
        return ""
    pairs = "" if gap.pairs is None else f", cosine of {gap.paired:,} true pairs {gap.pairs:.2f}"
    moved = " · <b>centred after the fact, not by training</b>" if panel.projection.key.centred else ""
    return (
        f" · gap between {gap.texts:,} texts and {gap.films:,} films: means {gap.distance:.2f} apart{pairs} "
        f"(of any report and film {gap.unpaired:.2f}), told apart with AUC {gap.separability:.2f}{moved}"
    )


def as_data(value: object) -> str:
    """Return JSON that can stand inside a page: no character of it can end an element or begin one."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
