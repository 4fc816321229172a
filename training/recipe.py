"""Typed recipes: a TOML file becomes a frozen dataclass, and a key nobody knows is an error, not a silence."""

from __future__ import annotations

import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from models.interfaces import CxrError

Record = TypeVar("Record")


class RecipeError(CxrError):
    """A recipe cannot be followed."""


def load_recipe(file: Path, record: type[Record]) -> Record:
    """Read a TOML recipe into a dataclass; tables become nested dataclasses, arrays become tuples.

    Raises:
        RecipeError: the file is not TOML, names an unknown key, lacks a needed one, or a value has another type.
    """
    return _record(record, _table(file), where=file.name)


def names_a_table(file: Path, name: str) -> bool:
    """Whether a recipe has a table of that name. Raises RecipeError if the file is not TOML."""
    return isinstance(_table(file).get(name), dict)


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe {file.name}.") from None
    except OSError as error:
        raise RecipeError(f"The recipe {file.name} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {file.name} is not TOML: {error}.") from error


def _record(record: type[Record], table: dict[str, Any], where: str) -> Record:
    hints = get_type_hints(record)
    known = {field.name for field in fields(record)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - known):
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}. Known keys: {', '.join(sorted(known))}.")
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    try:
        return record(**values)
    except TypeError as error:
        raise RecipeError(f"{where}: {error}.") from error


def _value(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - any TOML value against any type
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise RecipeError(f"{where}: expected a table, got {value!r}.")
        return _record(hint, value, where)
    origin, allowed = get_origin(hint), get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{where}: expected an array, got {value!r}.")
        return tuple(_value(allowed[0], item, where) for item in value)
    if origin is not None:  # Literal
        if value not in allowed:
            raise RecipeError(f"{where}: {value!r} is not one of {', '.join(map(repr, allowed))}.")
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise RecipeError(f"{where}: expected {hint.__name__}, got {value!r}.")
    return value
