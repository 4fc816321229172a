"""A visitor who knows the app only by what it tells a browser: whatever pages there are, he finds their events."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Event:
    """Something of the page that the server answers."""

    id: int
    targets: tuple[tuple[int, str], ...]  # component, what happens to it
    inputs: tuple[int, ...]


@dataclass
class Visitor:
    """One session. Every answer is kept as the server sent it."""

    client: httpx.Client
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.config: dict[str, Any] = self.client.get("config").json()
        self.parts = {part["id"]: part for part in self.config["components"]}
        self.named = {
            part["props"]["elem_id"]: part["id"] for part in self.parts.values() if part["props"].get("elem_id")
        }
        self.events = [
            Event(
                one["id"],
                tuple((part, what) for part, what in one["targets"] if part is not None),
                tuple(one["inputs"]),
            )
            for one in self.config["dependencies"]
            if one["backend_fn"]
        ]

    def event(self, element: str, what: str) -> Event:
        return next(one for one in self.events if (self.named[element], what) in one.targets)

    def usual(self, event: Event) -> list[Any]:
        """The values the page starts with."""
        return [self.parts[part]["props"].get("value") for part in event.inputs]

    def join(self, event: Event, data: list[Any]) -> httpx.Response:
        asked = {"data": data, "fn_index": event.id, "session_hash": self.session}
        return self.client.post("gradio_api/queue/join", json=asked)

    def fire(self, event: Event, data: list[Any]) -> str:
        """Return everything the server says about one event."""
        joined = self.join(event, data)
        if joined.status_code != 200:
            return joined.text
        return self.client.get("gradio_api/queue/data", params={"session_hash": self.session}).text

    def ask(self, text: str) -> str:
        """Type a text and press Enter."""
        event = self.event("query", "submit")
        data = self.usual(event)
        data[event.inputs.index(self.named["query"])] = text
        return self.fire(event, data)

    def drop(self, name: str, film: bytes) -> str:
        """Drop a file on the page."""
        return self.fire(*self.dropped(self.upload(name, film), name))

    def upload(self, name: str, film: bytes) -> str:
        answer = self.client.post("gradio_api/upload", files={"files": (name, film)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0])

    def dropped(self, path: str, name: str = "film.dcm") -> tuple[Event, list[Any]]:
        event = self.event("drop", "upload")
        data = self.usual(event)
        record = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        data[event.inputs.index(self.named["drop"])] = record
        return event, data


def messages(answer: str) -> list[dict[str, Any]]:
    """The messages of an event stream."""
    return [json.loads(line.removeprefix("data:")) for line in answer.splitlines() if line.startswith("data:")]


def finished(answer: str) -> dict[str, Any]:
    """The last word on an event."""
    return next(one for one in reversed(messages(answer)) if one["msg"] == "process_completed")


def shown(answer: str) -> str:
    """All text the page would show, of all steps."""
    return " ".join(text for message in messages(answer) for text in _texts(message))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
