"""The Map page: an encoder's space as a picture, and what is picked in it answered from the space itself."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from explorer import tables
from explorer.cloud import Cloud
from explorer.errors import BadQuery, CxrError
from explorer.mapping import Cartographer, MapOrder, between
from explorer.projection import CLUSTERS, FILMS, NEIGHBOURS, SPREADS, MapSettings
from explorer.types import SCOPES, Query
from explorer.ui import map_html, render
from explorer.ui.announce import at_once, stoppable
from explorer.ui.theme import PLAIN, QUIET
from explorer.ui.work import Progress, watch

if TYPE_CHECKING:
    from explorer.search import Explorer

ALONE = "none"
FAILED = "The map did not finish: the server is busy, or something failed inside it. Try again in a moment."
TAKE = "watch('value', () => window.cxrMap.take(props.value));"
# The names of the events stand in quotes because Gradio looks for them in this text.
WIRE = f"""
const events = ['shown', 'choose', 'pick', 'seek', 'save'];
window.cxrMap.connect((kind, data) => {{ if (events.includes(kind)) trigger(kind, data); }});
{TAKE}
"""

Update = dict[Any, Any]  # part of the page → its new value
Updates = Iterator[Update]
Answer = Callable[[MapOrder, Cloud], dict[str, object]]


class MapPage:
    """Lays the page out in the Blocks being built, and answers its events from an `Explorer`."""

    def __init__(self, explorer: Explorer, asked: gr.State) -> None:
        self.explorer = explorer
        self.asked = asked  # of the Search page: the last Query, drawn among the reports
        self.maps = Cartographer(explorer)
        self.drawn = gr.State(None)  # the MapOrder on the screen
        self._turn = itertools.count()
        with gr.Column(elem_id="map"):
            with gr.Column(elem_id="map-rail"):
                self._lay_out_settings()
            with gr.Column(elem_id="map-main"):
                self.status = gr.HTML("", elem_id="map-status", **PLAIN)
                self.intro = gr.HTML(map_html.welcome(), elem_id="map-intro", **PLAIN)
                gr.HTML(map_html.stage(), elem_id="map-stage", **PLAIN)
        wire = partial(gr.HTML, html_template="<span></span>", elem_classes="map-wire", **PLAIN)
        self.cloud, self.said = wire(js_on_load=TAKE), wire(js_on_load=WIRE)

    def _lay_out_settings(self) -> None:
        names = self.maps.encoders()
        settings = MapSettings()
        self.encoder = gr.Dropdown(names, value=names[0], label="Encoder", elem_id="map-encoder", filterable=False)
        self.beside = gr.Dropdown(
            [ALONE, *names], value=ALONE, label="Beside it", elem_id="map-beside", filterable=False
        )
        self.scope = gr.Radio(list(SCOPES), value=SCOPES[0], label="Section", elem_id="map-scope")
        able = bool(self.maps.film_encoders())
        self.films = gr.Radio(
            list(FILMS), value=FILMS[0], label="Films of the corpus", elem_id="map-films", visible=able
        )
        self.neighbours = gr.Radio(list(NEIGHBOURS), value=settings.neighbours, label="Neighbours", elem_id="map-near")
        self.spread = gr.Radio(list(SPREADS), value=settings.spread, label="Spread", elem_id="map-spread")
        self.clusters = gr.Radio(list(CLUSTERS), value=settings.clusters, label="Clusters", elem_id="map-clusters")
        corpora = [(one.title, one.name) for one in self.explorer.corpora()]
        self.corpus = gr.Dropdown(
            corpora,
            value=corpora[0][1],
            label="Corpus",
            elem_id="map-corpus",
            filterable=False,
            visible=len(corpora) > 1,
        )
        with gr.Row(elem_id="map-acts"):
            self.draw = gr.Button("Draw the map", variant="primary", elem_id="map-draw")
            self.stop = gr.Button("Stop", elem_id="map-stop")

    def wire(self) -> None:
        """Connect the events to their answers. Drawing waits in a line of its own, and holds up no search."""
        options = [self.encoder, self.beside, self.corpus, self.scope, self.films]
        options += [self.neighbours, self.spread, self.clusters]
        shown = [self.status, self.intro, self.cloud, self.said, self.drawn]
        at_once(self.draw.click, {self.status: render.busy("Drawing the map")})
        drawing = self.draw.click(
            self.make, [self.asked, *options], shown, concurrency_limit=1, trigger_mode="always_last", **QUIET
        )
        stoppable([drawing], self.stop, self.status, FAILED)
        answer: dict[str, Any] = {"outputs": [self.status, self.said], "concurrency_limit": 4, **QUIET}
        self.said.shown(self.show, [self.drawn, self.asked], shown, concurrency_limit=4, **QUIET)
        self.said.choose(self.choose, self.drawn, **answer)
        self.said.pick(self.pick, self.drawn, **answer)
        self.said.seek(self.seek, self.drawn, trigger_mode="always_last", **answer)
        self.said.save(self.save, self.drawn, **answer)

    def make(self, asked: Query | None, *options: object) -> Updates:
        """Draw the map that the settings ask for; stopped with the generator."""
        try:
            order = _order(*options)
            cloud = yield from watch(partial(self._draw, order), self._step)
        except CxrError as error:
            yield {self.status: render.alert(error)}
            return
        yield self._shown(order, cloud)
        yield from self._told_query(order, cloud, asked)

    def show(self, drawn: MapOrder | None, asked: Query | None) -> Updates:
        """Draw what is kept when the page is opened, and the query that was asked since."""
        try:
            order = drawn or self.maps.default()
            cloud = self.maps.kept(order)
        except CxrError as error:
            yield {self.status: render.alert(error)}
            return
        if cloud is None:
            yield {self.status: ""}
            return
        if drawn is None:
            yield self._shown(order, cloud)
        yield from self._told_query(order, cloud, asked)

    def choose(self, drawn: MapOrder | None, sent: gr.EventData) -> Update:
        """Answer a lasso or a box: counts of findings, and the studies."""
        return self._answered(drawn, lambda order, cloud: self._chosen(cloud, sent))

    def pick(self, drawn: MapOrder | None, sent: gr.EventData) -> Update:
        """Answer a click on a point: its report, and its neighbours in the original space."""
        return self._answered(drawn, lambda order, cloud: self._picked(order, cloud, sent))

    def seek(self, drawn: MapOrder | None, sent: gr.EventData) -> Update:
        """Answer words typed into the map's own search."""
        limit = self.explorer.settings.limits.query_characters
        words = str(_field(sent, "words"))[:limit]
        return self._answered(drawn, lambda order, cloud: {"found": cloud.studies.matching(words).tolist()})

    def save(self, drawn: MapOrder | None, sent: gr.EventData) -> Update:
        """Answer a selection that is to be kept: a file for the browser, which nothing here keeps."""
        return self._answered(drawn, lambda order, cloud: self._saved(cloud, sent))

    def _chosen(self, cloud: Cloud, sent: gr.EventData) -> dict[str, object]:
        return {"selection": cloud.picked(cloud.rows_in(str(_field(sent, "rows"))))}

    def _picked(self, order: MapOrder, cloud: Cloud, sent: gr.EventData) -> dict[str, object]:
        row, panel = _field(sent, "row"), _field(sent, "panel")
        if not (isinstance(row, int) and 0 <= row < len(cloud.studies)):
            raise BadQuery("The point is not one of this map. Draw the map again.")
        if not (isinstance(panel, int) and 0 <= panel < len(cloud.panels)):
            raise BadQuery("The map has no such panel. Draw the map again.")
        near = self.maps.near(cloud, order, row, cloud.panels[panel].encoder)
        return {"point": cloud.point(row, near, panel)}

    def _saved(self, cloud: Cloud, sent: gr.EventData) -> dict[str, object]:
        kind = tables.format_of(_field(sent, "format"))
        rows = cloud.rows_in(str(_field(sent, "rows")))
        body = base64.b64encode(tables.written(cloud.columns(rows), kind)).decode("ascii")
        return {"file": {"name": f"selection.{kind}", "type": tables.MEDIA[kind], "body": body}}

    def _answered(self, drawn: MapOrder | None, answer: Answer) -> Update:
        try:
            cloud = None if drawn is None else self.maps.kept(drawn)
            if drawn is None or cloud is None:
                raise BadQuery("There is no map any more. Draw it again.")
            return {self.said: self._message(answer(drawn, cloud)), self.status: self._summary(cloud)}
        except CxrError as error:
            return {self.status: render.alert(error)}

    def _told_query(self, order: MapOrder, cloud: Cloud, asked: Query | None) -> Updates:
        """Draw the query of the Search page between its hits, on each panel by its own encoder."""
        if asked is None:
            yield {self.said: self._message({"query": None})}
            return
        drawn: list[dict[str, object] | None] = []
        for panel in cloud.panels:
            try:
                found = self.maps.hits(cloud, order, asked, panel.encoder)
            except CxrError:
                found = []  # an encoder that cannot read this query draws none
            spot = between(panel, found) if found else (0.0, 0.0)
            drawn.append({"x": spot[0], "y": spot[1], "near": found} if found else None)
        yield {self.said: self._message({"query": drawn})}

    def _draw(self, order: MapOrder, progress: Progress) -> Cloud:
        return self.maps.draw(order, progress)

    def _step(self, message: str, share: float) -> Update:
        return {self.status: render.busy(message, share)}

    def _shown(self, order: MapOrder, cloud: Cloud) -> Update:
        return {
            self.status: self._summary(cloud),
            self.intro: "",
            self.cloud: self._message({"cloud": cloud.payload()}),
            self.drawn: order,
        }

    def _summary(self, cloud: Cloud) -> str:
        return map_html.summary(cloud)

    def _message(self, told: dict[str, object]) -> str:
        """Return a message; it carries a number, because the browser is told of changes only."""
        return map_html.as_data({**told, "turn": next(self._turn)})


def _order(
    encoder: object,
    beside: object,
    corpus: object,
    scope: object,
    films: object,
    neighbours: object,
    spread: object,
    clusters: object,
) -> MapOrder:
    """Read the settings as a browser sends them. Raises BadQuery for anything that the page does not offer."""
    scopes = [one for one in SCOPES if one == scope]
    shown = [one for one in FILMS if one == films]
    numbers = [one for one in (neighbours, spread, clusters) if isinstance(one, int | float)]
    if not scopes or not shown or len(numbers) < 3:
        raise BadQuery("The page offers no such setting. Reload it and choose again.")
    encoders = (str(encoder),) if beside in (ALONE, None) else (str(encoder), str(beside))
    settings = MapSettings(int(numbers[0]), float(numbers[1]), int(numbers[2]))
    return MapOrder(encoders, str(corpus), scopes[0], settings, shown[0])


def _field(sent: gr.EventData, name: str) -> object:
    data = sent._data
    return data.get(name) if isinstance(data, dict) else None
