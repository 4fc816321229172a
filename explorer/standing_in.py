"""An app whose encoder cannot be used starts with another that can, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from explorer.choices import WORDS
from explorer.errors import TowerError, UnknownTower
from explorer.progress import Progress
from explorer.search import Explorer
from explorer.settings import Settings

IN_TURN = ("bert4cxr", WORDS)  # the baseline trained in the same way; then words alone, which need no weights


@dataclass(frozen=True)
class Started:
    """An engine that can answer texts."""

    explorer: Explorer
    said: str  # for the page, if another encoder stands in for the one in the settings; "" if none has to


def start(settings: Settings, compose: Callable[[Settings, Progress], Explorer], progress: Progress) -> Started:
    """Compose an engine and load the tower of its default encoder, or of the first that can be used instead.

    The encoders that are there stay on offer, the one that cannot be used among them if its files exist: it then says
    itself what is wrong with it.

    Raises UnknownTower for a name that is no encoder's, and what `compose` raises of corpora.
    """
    lacking = ""
    for name in dict.fromkeys((settings.encoder, *IN_TURN)):
        try:
            return Started(_ready(replace(settings, encoder=name), compose, progress), _said(settings, name, lacking))
        except UnknownTower:
            raise
        except TowerError as error:
            lacking = lacking or str(error)
    raise TowerError(lacking)  # words alone are always there


def _ready(settings: Settings, compose: Callable[[Settings, Progress], Explorer], progress: Progress) -> Explorer:
    explorer = compose(settings, progress)
    try:
        explorer.prepare("text", progress)
    except TowerError:
        explorer.close()
        raise
    return explorer


def _said(settings: Settings, name: str, lacking: str) -> str:
    if not lacking:
        return ""
    how = "words alone answer, without a model" if name == WORDS else f"the baseline {name} answers"
    return f"{settings.encoder} cannot be used: {lacking} Until it can, {how}."
