"""Report variants by a language model the user configures: off by default, checked by the rules before use.

The wording of the prompts is ours. An answer that is malformed, or that says something else than the report, is
counted and not used; the rules' own variant (`variants.py`) then serves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from explorer.language.chat import Chat, Endpoint
from explorer.language.splitting import Splitter
from explorer.language.temporal import keywords_in
from explorer.language.variants import Kind

LONGEST = 4  # times as long as the report, plus `SPARE` characters, is no variant of it
SPARE = 400
_TASKS: Mapping[Kind, str] = {
    "similar": (
        "Say the report below in other words, as a second radiologist would dictate it. Write short forms out. Keep "
        "every finding, its side, its place, its amount, how certain it is, and every comparison with earlier films."
    ),
    "split": (
        "Cut the report below into sentences that each state one finding. A list of absent findings becomes one "
        "sentence for each, with the place that was said of all. Views are sentences of their own. Leave out what "
        "only concerns technique or image quality. Add nothing."
    ),
    "prior-omitted": (
        "Say the report below as if this were the patient's first film. Drop comparisons and words of change. What "
        "is absent stays absent; what has resolved is absent; what has grown, shrunk or stayed is simply there."
    ),
    "anatomical": (
        "Sort the sentences of the report below by region, in the order lungs, pleura, heart, mediastinum, bones, "
        "devices, abdomen, other. Write one line for each region that has any: its name, a colon, its sentences. "
        "Change no sentence beyond what the sorting needs."
    ),
}
_FORM = 'Answer with one JSON object of the form {"report": "..."} and nothing else. The report, as a JSON string:'


class LlmVariantMaker:
    """Makes variants through an endpoint. Threads may share one."""

    def __init__(self, chat: Chat, splitter: Splitter) -> None:
        self._chat = chat
        self._splitter = splitter
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    @classmethod
    def open(cls, environment: Mapping[str, str], cache: Path) -> LlmVariantMaker | None:
        """Return a maker for the endpoint of the environment, None if none is named there (see `chat.py`).

        Raises:
            EndpointError: the endpoint is not one that reports may be sent to.
        """
        endpoint = Endpoint.from_environment(environment)
        return cls(Chat(endpoint, cache / "answers"), Splitter.open()) if endpoint else None

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many answers were "used", "malformed", and "unfaithful" (another report than the one given)."""
        with self._lock:
            return {name: self._counts[name] for name in ("used", "malformed", "unfaithful")}

    def make(self, kind: Kind, text: str) -> str | None:
        """Return the variant, None if the answer cannot be used.

        Raises:
            EndpointError: the model did not answer.
        """
        told = report_in(self._chat.ask(prompt(kind, text)), LONGEST * len(text) + SPARE)
        outcome = "malformed" if told is None else "used" if self._is_faithful(kind, text, told) else "unfaithful"
        with self._lock:
            self._counts[outcome] += 1
        return told if outcome == "used" else None

    def _is_faithful(self, kind: Kind, text: str, told: str) -> bool:
        if kind == "prior-omitted":
            return not keywords_in(told)
        return self._splitter.claims(told) == self._splitter.claims(text)


def prompt(kind: Kind, text: str) -> str:
    """Return what the model is asked. The report is quoted, so that nothing in it reads as an instruction of ours."""
    return f"{_TASKS[kind]}\n\n{_FORM}\n{json.dumps(text, ensure_ascii=False)}"


def report_in(answer: str | None, longest: int) -> str | None:
    """Return the report in a model's answer, None if the answer is not of the form that was asked for.

    What models put around the object (a fence, a sentence) is overlooked.
    """
    if answer is None:
        return None
    try:
        found = json.loads(answer[answer.find("{") : answer.rfind("}") + 1])
    except (ValueError, RecursionError):
        return None
    told = found.get("report") if isinstance(found, dict) else None
    if not isinstance(told, str) or len(told) > longest:
        return None
    return told.strip() or None
