from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from training.clip import ClipRecipe
from training.contrastive import ContrastiveRecipe
from training.recipe import RecipeError, load_recipe

RECIPES = Path(__file__).resolve().parents[2] / "training" / "recipes"


@dataclass(frozen=True)
class Loop:
    steps: int
    rate: float = 0.1


@dataclass(frozen=True)
class Toy:
    name: str
    loop: Loop
    mode: Literal["mean", "last"] = "mean"
    scopes: tuple[str, ...] = ()
    frozen: bool = False


def read(tmp_path, text):
    file = tmp_path / "toy.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_recipe(file, Toy)


def test_tables_become_records_and_arrays_tuples(tmp_path):
    text = 'name = "a"\nmode = "last"\nscopes = ["findings", "report"]\nfrozen = true\n[loop]\nsteps = 3\nrate = 2\n'
    assert read(tmp_path, text) == Toy("a", Loop(3, 2.0), "last", ("findings", "report"), True)


def test_what_is_not_said_has_its_default(tmp_path):
    assert read(tmp_path, 'name = "a"\nloop = {steps = 1}') == Toy("a", Loop(1, 0.1), "mean", (), False)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "a"\nstep = 3', r"toy\.toml: unknown key 'step'\. Known keys: frozen, loop, mode, name, scopes\."),
        (
            'name = "a"\nloop = {steps = 1, rates = 2}',
            r"loop: unknown key 'rates'\. Known keys: rate, steps\.",
        ),
        ('name = "a"', "missing 1 required positional argument: 'loop'"),
        ("name = 5\nloop = {steps = 1}", "toy.toml: name: expected str, got 5"),
        ('name = "a"\nloop = {steps = 1.5}', "loop: steps: expected int, got 1.5"),
        ('name = "a"\nloop = {steps = true}', "loop: steps: expected int, got True"),
        ('name = "a"\nloop = {steps = 1, rate = "fast"}', "loop: rate: expected float, got 'fast'"),
        ('name = "a"\nloop = 5', "loop: expected a table, got 5"),
        ('name = "a"\nloop = {steps = 1}\nmode = "median"', "mode: 'median' is not one of 'mean', 'last'"),
        ('name = "a"\nloop = {steps = 1}\nscopes = "findings"', "scopes: expected an array, got 'findings'"),
        ('name = "a"\nloop = {steps = 1}\nscopes = [1]', "scopes: expected str, got 1"),
        ("name = ", "is not TOML"),
        (b"name = '\xff'", "is not TOML"),
    ],
)
def test_a_recipe_that_cannot_be_followed_says_where(tmp_path, text, complaint):
    with pytest.raises(RecipeError, match=complaint):
        read(tmp_path, text)


def test_a_recipe_that_is_not_there_or_no_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"There is no recipe gone\.toml"):
        load_recipe(tmp_path / "gone.toml", Toy)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(RecipeError, match=r"The recipe folder\.toml cannot be read"):
        load_recipe(tmp_path / "folder.toml", Toy)


@pytest.mark.parametrize(("name", "record"), [("pocket-text", ContrastiveRecipe), ("pocket-image", ClipRecipe)])
def test_the_shipped_recipes_can_be_followed(name, record):
    recipe = load_recipe(RECIPES / f"{name}.toml", record)
    assert recipe.loop.steps > recipe.loop.warmup
    assert recipe.loop.steps > recipe.loop.save_every
