"""A map as one file that opens from a disk, with no server and no network: script, styles, reports and neighbours.

It holds the reports themselves. Their terms are those of the corpus, and the file says so.
"""

from __future__ import annotations

import numpy as np

from explorer.cloud import WITH_TEXTS, Cloud, packed
from explorer.errors import BadQuery
from explorer.index import ReportIndex
from explorer.mapping import NEAR
from explorer.neighbourhoods import nearest_by_cosine, unit_rows
from explorer.scripts import plotly_script
from explorer.store import CorpusInfo
from explorer.ui import map_html
from explorer.ui.render import PRODUCT, escape
from explorer.ui.theme import asset

# Nothing is loaded and nothing is sent, whatever stands in a report. Plotly builds its drawing functions from text.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
STYLES, SCRIPTS = ("tokens.css", "map.css"), ("mapparts.js", "map.js", "mapfile.js")


def written(cloud: Cloud, indexes: list[ReportIndex], corpus: CorpusInfo) -> str:
    """Return the page. indexes: of each panel. Raises BadQuery for more studies than a browser can hold the texts of.

    Neighbours are the nearest by cosine among the different texts, as many as the page draws lines to.
    """
    if len(cloud.studies) > WITH_TEXTS:
        raise BadQuery(
            f"A file holds the texts of at most {WITH_TEXTS:,} studies, and this corpus has {len(cloud.studies):,}. "
            "Open the Map page instead."
        )
    near = [_near(cloud, index) for index in indexes]
    data = map_html.as_data({**cloud.payload(), "near": near, "nearest": NEAR, "turn": 1})
    styles = "\n".join(asset(name) for name in STYLES)
    scripts = "\n".join(asset(name) for name in SCRIPTS)
    title = escape(f"{corpus.title}, {', '.join(panel.encoder for panel in cloud.panels)} · {PRODUCT}")
    return (
        '<!doctype html><html lang="en" data-theme="dark"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{styles}</style></head>"
        f'<body class="map-file"><header><h1>{escape(corpus.title)}</h1><p>{_what(cloud)}</p>'
        '<button type="button" data-act="theme" title="dark or light" aria-label="Switch between dark and light">'
        f"◐</button></header>{map_html.summary(cloud)}{_stage()}"
        "<footer><b>Not for clinical use.</b> These are other patients’ reports, not a diagnosis. "
        f"{escape(corpus.licence)} · {escape(corpus.attribution)}</footer>"
        f'<script type="application/json" id="map-data">{data}</script>'
        f"<script>{_inline(plotly_script().read_text(encoding='utf-8'))}</script><script>{scripts}</script>"
        "</body></html>"
    )


def _what(cloud: Cloud) -> str:
    return f"{len(cloud.studies):,} studies by their {escape(cloud.studies.scope)}, {PRODUCT}"


def _stage() -> str:
    """Parquet needs a server; the other two are written by the page itself."""
    return map_html.stage().replace("data-empty", 'data-empty data-formats="csv json"', 1)


def _near(cloud: Cloud, index: ReportIndex) -> dict[str, str]:
    """Return for each study the first study of each of the texts nearest to its own."""
    vectors = unit_rows(index.vectors)
    k = min(NEAR, len(vectors) - 1)
    rows, cosines = nearest_by_cosine(vectors, vectors, k, np.arange(len(vectors)))
    at = {study: place for place, study in enumerate(cloud.studies.ids)}
    stands_for = np.array([next(at[study] for study in group if study in at) for group in index.studies], np.int32)
    own = {study: row for row, group in enumerate(index.studies) for study in group}
    text_of = np.array([own[study] for study in cloud.studies.ids])
    near = np.full((len(text_of), NEAR), -1, np.int32)
    scores = np.zeros((len(text_of), NEAR), np.float32)
    near[:, :k], scores[:, :k] = stands_for[rows][text_of], cosines[text_of]
    return {"rows": packed(near), "scores": packed(scores)}


def _inline(script: str) -> str:
    """No text of a script may end the element it stands in."""
    return script.replace("</script", "<\\/script")
