"""What the documents tell people to type can be typed, and what they point to is there."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

import app
from explorer import __main__ as command_line

ROOT = Path(__file__).parents[1]
DOCUMENTS = (*(ROOT / name for name in ("README.md", "SECURITY.md", "DATA.md")), *sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS += (ROOT / "training" / "README.md",)
COMMAND = re.compile(r"(^|`)(?:[A-Z_]+=\S+ )*(?:timeout [\w -]+ )?python (-m [\w.]+|app\.py)([^`#\n]*)", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z][a-z-]*)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
RECIPE = re.compile(r"training/recipes/[\w-]+\.toml")


def commands():
    """Every command of every document. One in the middle of a sentence may be cut short: of that only the program.

    Of what is optional, and of a choice, the first is taken.
    """
    for document in DOCUMENTS:
        for quoted, program, words in COMMAND.findall(document.read_text(encoding="utf-8")):
            plain = re.sub(r"\[|\]|\s\|\s.*|[…]", "", words)
            yield document.name, program.removeprefix("-m "), () if quoted else tuple(shlex.split(plain))


COMMANDS = sorted(set(commands()))


def test_the_documents_tell_of_commands():
    assert len(COMMANDS) > 40
    assert {"explorer", "app.py", "training.evaluate"} <= {program for _, program, _ in COMMANDS}


@pytest.mark.parametrize(("document", "program", "words"), COMMANDS, ids=lambda part: str(part)[:60])
def test_every_command_can_be_typed(document, program, words):
    parsers = {"explorer": command_line._parser, "app.py": app._parser}
    if program in parsers and words:
        parsers[program]().parse_args(words)
    assert program == "app.py" or find_spec(program) is not None, f"{document} tells of {program}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_target_recipe_and_file_that_is_named_is_there(document):
    text = document.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(text)) <= targets
    linked = [document.parent / name for name in LINK.findall(text)]
    assert [path.name for path in (*linked, *(ROOT / name for name in RECIPE.findall(text))) if not path.exists()] == []
