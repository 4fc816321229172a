"""What the browser shows by itself, before and instead of an answer from the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from explorer.ui import render
from explorer.ui.theme import QUIET

STOPPED = "Stopped. Nothing was changed."
HALTED = render.notice("Stopped.")
CLOSING = 10_000  # ms after which the end of a run has nothing to do with a stop any more


def at_once(listen: Callable[..., object], shown: Mapping[Any, object]) -> None:
    """Let the browser show values without the server, which may be busy, or what is missing.

    Args:
        listen: adds a listener to an event, such as `button.click`; what is added first runs first.
        shown: part of the page → what it shows.
    """
    values = list(shown.values())
    script = f"() => {json.dumps(values if len(values) > 1 else values[0])}"
    listen(None, outputs=list(shown), js=script, **QUIET)


def stoppable(events: Sequence[Any], button: Any, status: Any, failed: str) -> None:  # noqa: ANN401 - Gradio's own
    """Let a button stop events, and say so where they tell how far they are; or that one of them failed.

    Args:
        events: as Gradio returns them.
        button: stops them.
        status: the part of the page that shows how far they are; what else they show stays.
        failed: what it says when one of them ends without an answer.
    """
    button.click(None, cancels=list(events), **QUIET)
    name, stopped = json.dumps(status.elem_id), json.dumps(HALTED)
    told = f"() => {{ window.cxrStopped = {{ name: {name}, at: Date.now() }}; return {stopped}; }}"
    button.click(None, outputs=status, js=told, **QUIET)
    # Gradio tells a run that was stopped as one that failed, and after a last step that was on its way.
    asked = f"window.cxrStopped?.name === {name} && Date.now() - window.cxrStopped.at < {CLOSING}"
    script = f"() => {asked} ? {stopped} : {json.dumps(render.alert(failed))}"
    for event in events:
        event.failure(None, outputs=status, js=script, **QUIET)


def ended(bridge: str, failed: str) -> str:
    """Return the script that says why work ended early: Gradio calls it a failure too where a person stopped it.

    `bridge` is the id of the element the work was asked through; its script says so in `data-stopped`.
    """
    stopped, broken = (json.dumps(line) for line in (render.told(STOPPED), render.alert(failed)))
    asked = f"'#{bridge}[data-stopped=yes], #{bridge} [data-stopped=yes]'"
    return f"() => document.querySelector({asked}) ? {stopped} : {broken}"
