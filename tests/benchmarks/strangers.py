"""How often is "nothing similar" said, and how often wrongly: `python -m tests.benchmarks.strangers`.

Asked over Open-I with the default encoder: texts about other things, none of which sets the floor
(`assets/lexicons/strangers.tsv` does), and the notes of Task 4 in both forms, all of them about chest radiographs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from explorer.compose import compose
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.types import Query
from explorer.ui.hits_html import warning
from training.tasks.notes import read_notes

ENCODER = "pocket"
STRANGERS = (
    "Knead the dough for ten minutes and let it rise under a damp cloth.",
    "The ferry to the island does not sail when the wind is above eight.",
    "My grandmother knitted a scarf of grey wool for each of us.",
    "We painted the ceiling on Saturday and the walls a week later.",
    "The dog ran after the ball and brought back somebody's shoe.",
    "Put the books on the lower shelf and the plates on the upper one.",
    "The orchestra rehearsed the slow movement until nine in the evening.",
    "Turn left behind the bakery and follow the road to the lake.",
    "The insurer pays for hail and fire but not for flooding.",
    "Deliver the bricks to the back entrance before the crane arrives.",
    "The query joins two tables and is slow without an index.",
    "Wheat prices rose after a dry spring in the south.",
    "The council will decide on the new tram line in March.",
    "Moderate narrowing of the canal at L4/L5 with compression of the nerve root.",
    "Cataract surgery on the left eye without complications; drops for four weeks.",
    "Ruptured anterior cruciate ligament and bruising of the lateral condyle.",
    "Urine is clear, without protein or glucose; culture remains sterile.",
    "Wisdom teeth of the lower jaw are impacted and close to the nerve.",
    "Ovarian cyst of four centimetres with a thin wall and no septa.",
    "Migraine with aura twice a month; propranolol was begun.",
)


def said(explorer: Explorer, texts: Iterable[str]) -> int:
    """Return of how many texts the page says that nothing is similar."""
    floor = explorer.floor(ENCODER)
    unknown = [text for text in texts if not explorer.recognises(Query(text=text))]
    return sum(bool(warning(explorer.by_text(text, encoder=ENCODER, k=1), floor)) for text in unknown)


def main() -> None:
    explorer, notes = compose(Settings()), read_notes()
    asked = {
        "other things": STRANGERS,
        "notes in shorthand": [note.short for note in notes],
        "notes in full": [note.long for note in notes],
    }
    for name, texts in asked.items():
        sys.stdout.write(f"{name:<20}{said(explorer, texts):>4} of {len(texts)}\n")


if __name__ == "__main__":
    main()
