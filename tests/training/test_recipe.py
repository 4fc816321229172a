from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from explorer.corpora import openi
from explorer.corpora.split import in_split
from models.text import TowerConfig
from training.adapters import LoraConfig
from training.average import AverageRecipe
from training.clip import ClipRecipe
from training.contrastive import ContrastiveRecipe
from training.films import FilmsRecipe
from training.mntp import MntpRecipe
from training.paired import PairedRecipe
from training.pairs import Mix, PairMaker
from training.recipe import RecipeError, load_recipe
from training.texts import every_text, told

PAIRED = ("clip4cxr", "paper-base", "paper-section")
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


def stage_of(name):
    """The dataclass of the stage that a recipe's name says."""
    if name in PAIRED:
        return PairedRecipe
    stages = {"mntp": MntpRecipe, "image": ClipRecipe, "films": FilmsRecipe, "average": AverageRecipe}
    return next((record for word, record in stages.items() if word in name.split("-")), ContrastiveRecipe)


def shipped(name):
    return load_recipe(RECIPES / f"{name}.toml", stage_of(name))


NAMES = sorted(file.stem for file in RECIPES.glob("*.toml"))
TEXTS = [name for name in NAMES if stage_of(name) in (MntpRecipe, ContrastiveRecipe, AverageRecipe)]
PAPERS = [name for name in TEXTS if name.startswith("paper-")]


@pytest.mark.parametrize("name", [name for name in NAMES if stage_of(name) is not AverageRecipe])
def test_every_shipped_recipe_can_be_followed(name):
    recipe = shipped(name)
    assert recipe.loop.steps > recipe.loop.warmup
    assert recipe.loop.steps > recipe.loop.save_every
    assert recipe.loop.steps >= recipe.loop.measure_every


@pytest.mark.parametrize("name", [name for name in NAMES if stage_of(name) is AverageRecipe])
def test_an_average_lies_between_two_runs_of_which_the_second_went_on_from_the_first(name):
    recipe = shipped(name)
    assert shipped(Path(recipe.start).name).start == recipe.before
    assert list(recipe.shares) == sorted(set(recipe.shares))
    assert 0 <= recipe.shares[0] < recipe.shares[-1] == 1  # the run that went on has measured what it began from
    assert "mean" not in recipe.chosen_by


@pytest.mark.parametrize("name", [name for name in TEXTS if getattr(shipped(name), "start", "")])
def test_a_stage_goes_on_from_a_tower_of_its_own_shape(name):
    recipe = shipped(name)
    before = shipped(Path(recipe.start).name)
    assert (recipe.base, recipe.tower.layers, recipe.lora) == (before.base, before.tower.layers, before.lora)


def test_the_papers_towers_are_there_with_both_stages():
    assert (
        sorted(f"paper-{tower}{stage}" for tower in ("1b-full", "1b-lora", "8b-lora") for stage in ("", "-mntp"))
        == PAPERS
    )


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_of_the_papers_has_the_papers_hyper_parameters(name):
    """Table B.7, sections 3 and 4; the adapters' shape is LLM2Vec's default."""
    recipe = shipped(name)
    assert (recipe.batch, recipe.train_tokens, recipe.loop.seed) == (128, 512, 4096)
    assert recipe.tower == TowerConfig(16 if "1b" in name else 32, "bidirectional", "latent_attention", max_tokens=512)
    if "full" in name:
        assert recipe.lora.train == "everything"
    else:
        assert recipe.lora == LoraConfig(r=16, alpha=32, dropout=0.05, first_layer=0, train="adapters")


@pytest.mark.parametrize("name", [name for name in PAPERS if name.endswith("-mntp")])
def test_the_papers_first_stage_hides_a_fifth_of_the_tokens(name):
    recipe = shipped(name)
    assert (recipe.mask_probability, recipe.lr) == (0.2, 1e-5)


@pytest.mark.parametrize("name", [name for name in PAPERS if not name.endswith("-mntp")])
def test_the_papers_last_stage_has_one_rate_and_a_loss_scale_of_fifty(name):
    recipe = shipped(name)
    assert (recipe.scale, recipe.lr_lora, recipe.lr_pooling, recipe.mix) == (50.0, 1e-5, 1e-5, Mix())


@pytest.mark.slow
def test_the_papers_recipes_train_for_one_epoch():
    studies = told(in_split(openi.read().reports, "train"))
    texts, pairs = every_text(studies), PairMaker.open(Mix()).epoch(studies, 4096, 0)
    for name in PAPERS:
        recipe = shipped(name)
        assert recipe.loop.steps == len(texts if name.endswith("-mntp") else pairs) // recipe.batch
