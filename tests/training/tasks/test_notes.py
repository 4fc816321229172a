from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from models.interfaces import CxrError
from training.tasks.notes import NOTES, STYLES, Note, read_notes

ROOT = Path(__file__).resolve().parents[3]
HEAD = "# made for a test\nid\tstyle\tshort\tlong\n"
GOOD = "note-001\tmixed\tno eff\tThere is no effusion.\n"
NEVER_SPELLED_OUT = {"COVID", "CD"}  # in capitals in full sentences too


@pytest.fixture(scope="module")
def notes():
    return read_notes()


def words(text):
    return re.findall(r"[a-z0-9]+", text.casefold())


def written(tmp_path, text):
    file = tmp_path / "notes.tsv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_there_are_enough_notes_and_every_style_has_its_share(notes):
    styles = Counter(note.style for note in notes)
    assert len(notes) >= 180
    assert set(styles) == set(STYLES)
    assert min(styles.values()) >= 20


def test_no_two_notes_are_the_same_in_words(notes):
    assert len({note.id for note in notes}) == len(notes)
    assert len({tuple(words(note.long)) for note in notes}) == len(notes)
    assert len({" ".join(note.short.casefold().split()) for note in notes}) == len(notes)  # arrows count: "eff ↑"


def test_a_short_form_is_a_note_and_not_a_report(notes):
    assert [note.id for note in notes if not 3 <= len(note.short.split()) <= 30] == []


def test_a_long_form_is_not_its_short_form_and_says_it_in_sentences(notes):
    assert [note.id for note in notes if words(note.short) == words(note.long)] == []
    assert [note.id for note in notes if not re.fullmatch(r"[A-Z].*[.?]", note.long)] == []


def test_a_long_form_leaves_no_abbreviation_in_capitals(notes):
    left = {note.id: set(re.findall(r"\b[A-Z]{2,}(?=\b|\d)", note.long)) - NEVER_SPELLED_OUT for note in notes}
    assert {name: found for name, found in left.items() if found} == {}


def test_a_lobe_or_field_in_the_short_form_has_its_side_in_the_long_form(notes):
    sides = {"R": "right", "L": "left"}
    for note in notes:
        named = set(re.findall(r"\b([RL])[UML]LF?\b", note.short))
        assert all(sides[side] in words(note.long) for side in named), note.id


def test_the_bank_holds_a_neighbour_that_differs_in_one_word_for_at_least_forty_notes(notes):
    shorts = [note.short.casefold().split() for note in notes]
    near = [one for one in shorts if any(differ_in_one_word(one, other) for other in shorts)]
    assert len(near) >= 40


def differ_in_one_word(one, other):
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def test_no_note_is_a_case_the_abbreviation_expander_was_made_with(notes):
    tables = sorted((ROOT / "tests" / "explorer" / "language").glob("*.tsv"))
    cells = {" ".join(words(cell)) for file in tables for cell in re.split(r"[\t\n]", file.read_text("utf-8"))}
    assert len(tables) >= 4
    assert [note.id for note in notes if " ".join(words(note.short)) in cells] == []


def test_nothing_that_trains_knows_the_notes():
    allowed = ("training/tasks/", "training/evaluate")
    files = [file for file in (ROOT / "training").rglob("*") if file.suffix in {".py", ".toml"}]
    named = [file.relative_to(ROOT).as_posix() for file in files if knows_the_notes(file.read_text("utf-8"))]
    assert "training/tasks/notes.py" in named
    assert [name for name in named if not name.startswith(allowed)] == []


def knows_the_notes(source):
    return NOTES.stem in source or "read_notes" in source


def test_notes_are_read_in_order_and_comments_are_not(tmp_path):
    text = HEAD + GOOD + '# between\nnote-002\timpression\t"?eff" R/L\tEffusion on either side is questioned.\n'
    assert read_notes(written(tmp_path, text)) == (
        Note("note-001", "mixed", "no eff", "There is no effusion."),
        Note("note-002", "impression", '"?eff" R/L', "Effusion on either side is questioned."),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "columns"),
        (HEAD, "at least one note"),
        ("id\tshort\tlong\n" + GOOD, "columns"),
        (HEAD + "note-001\tmixed\t \tThere is no effusion.\n", "note 1 has an empty"),
        (HEAD + GOOD + "note-002\tmixed\tno atx\n", "note 2 has an empty, missing"),
        (HEAD + GOOD.replace("\n", "\tmore\n"), "surplus"),
        (HEAD + GOOD.replace("mixed", "sonnet"), "style"),
        (HEAD + GOOD + GOOD, "1 and 2 have the same id"),
        (HEAD + GOOD + "note-002\tmixed\tNo  eff\tNo effusion is seen.\n", "1 and 2 have the same short"),
        (HEAD + GOOD + "note-002\tmixed\tneg for eff\tThere is no EFFUSION.\n", "1 and 2 have the same long"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_with_its_reason_and_no_path(tmp_path, text, reason):
    with pytest.raises(CxrError, match=reason) as raised:
        read_notes(written(tmp_path, text))
    assert str(tmp_path) not in str(raised.value)


def test_a_missing_file_is_refused_kindly(tmp_path):
    with pytest.raises(CxrError, match="cannot be read"):
        read_notes(tmp_path / "absent.tsv")
