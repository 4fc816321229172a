"""The form on Results that measures a task again: which task, on which corpus, for which encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.measuring import lacking
from explorer.results import MEASURE
from explorer.store import CorpusInfo
from explorer.ui.render import escape

CHOSEN = 2  # encoders ticked at first


@dataclass(frozen=True)
class Choices:
    """What can be chosen."""

    tasks: Sequence[tuple[str, str]]  # name, words
    corpora: Sequence[CorpusInfo]  # the first is chosen
    encoders: Sequence[tuple[str, str]]  # name, label


def again(choices: Choices) -> str:
    """Return the form. A task that the chosen corpus has no texts for is shown, and cannot be chosen."""
    able = [name for name, _ in choices.tasks if name not in lacking(choices.corpora[0].sections)]
    options = "".join(_task(name, words, able) for name, words in choices.tasks)
    boxes = "".join(
        f'<label title="{escape(label)}"><input type="checkbox" name="encoder" value="{escape(name)}"'
        f"{' checked' if place < CHOSEN else ''}> {escape(name)}</label>"
        for place, (name, label) in enumerate(choices.encoders)
    )
    return (
        '<section class="again"><h2>Measure a task again</h2><p class="about">On the test split of a corpus prepared '
        f"here, by <code>{escape(MEASURE)}</code> in a process of its own; of other corpora than Open-I up to 2,000 "
        "studies a split. Minutes; longer the first time. It stands above, apart, with n, chance and checkpoint, and "
        f"replaces what was measured here before.</p><form>{_corpora(choices.corpora)}"
        f'<label>Task <select name="task" autocomplete="off">{options}</select></label>'
        f'<fieldset aria-label="Encoders">{boxes}</fieldset><button type="submit"{"" if able else " disabled"}>Measure'
        f'</button><button type="button" data-stop hidden>Stop</button>{_notes(choices)}</form></section>'
    )


def _task(name: str, words: str, able: Sequence[str]) -> str:
    first = " selected" if able and name == able[0] else ""
    return f'<option value="{escape(name)}"{first}{"" if name in able else " disabled"}>{escape(words)}</option>'


def _corpora(corpora: Sequence[CorpusInfo]) -> str:
    if len(corpora) == 1:
        return f'<input type="hidden" name="corpus" value="{escape(corpora[0].name)}">'
    options = "".join(
        f'<option value="{escape(one.name)}" data-lacks="{escape(" ".join(lacking(one.sections)))}">'
        f"{escape(one.title)} ({one.studies:,})</option>"
        for one in corpora
    )
    return f'<label>Corpus <select name="corpus" autocomplete="off">{options}</select></label>'


def _notes(choices: Choices) -> str:
    """A line beside the button for each corpus that lacks something; that of the chosen one is shown."""
    lines = ""
    for place, corpus in enumerate(choices.corpora):
        if lacks := lacking(corpus.sections):
            hidden = " hidden" if place else ""
            words = f"{corpus.title} {_why(lacks)}"
            lines += f'<p class="lacks" data-of="{escape(corpus.name)}"{hidden}>{escape(words)}</p>'
    return lines


def _why(lacks: Mapping[str, str]) -> str:
    """Return in words which sections a corpus has not, and which tasks it therefore cannot do."""
    told = []
    for section in dict.fromkeys(lacks.values()):
        tasks = [task for task, missing in lacks.items() if missing == section]
        told.append(f"has no {section}: {'Tasks' if len(tasks) > 1 else 'Task'} {_listed(tasks)}")
    return f"{'; it '.join(told)} cannot be measured on it."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
