"""The rules of the house: who may import whom, how large things may be, and what is never called."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "explorer", "training")
HEAVY = {"torch", "torchvision", "timm", "transformers", "peft", "accelerate"}
LAZY = {"faiss", "pydicom", "gradio", "umap", "plotly", "PIL"}  # imported where they are needed, never by a package
COMPOSE, WEIGHTS = "explorer/compose.py", "models/checkpoint.py"
COMMAND_LINES = ("explorer/__main__.py", "training/")


@dataclass(frozen=True)
class Source:
    """A file, read once."""

    path: str  # from the root, "/" between
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))

    @cached_property
    def imported(self) -> set[str]:
        """Every module imported, at the top or inside a function; `from a import b` as "a" and "a.b"."""
        names = {alias.name for node in self.nodes if isinstance(node, ast.Import) for alias in node.names}
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom):
                names |= {node.module or ".", *(f"{node.module}.{alias.name}" for alias in node.names)}
        return names

    @cached_property
    def packages(self) -> set[str]:
        return {name.partition(".")[0] for name in self.imported}

    @cached_property
    def calls(self) -> list[tuple[str, ast.Call]]:
        """Every call, with the dotted name of what is called, "" where it has none."""
        named = ast.Name | ast.Attribute
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return [(ast.unparse(node.func) if isinstance(node.func, named) else "", node) for node in found]

    @cached_property
    def called(self) -> set[str]:
        return {name for name, _ in self.calls}

    @cached_property
    def functions(self) -> dict[str, int]:
        """Length of every function in lines, by name and place."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        found = [node for node in self.nodes if isinstance(node, kinds)]
        return {f"{self.path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1 for node in found}


def sources(*rooms: str) -> list[Source]:
    files = [file for room in rooms for file in sorted((ROOT / room).rglob("*.py"))]
    return [Source(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files]


EXPLORER, MODELS, TRAINING = sources("explorer"), sources("models"), sources("training")
APP = Source("app.py", (ROOT / "app.py").read_text(encoding="utf-8"))
EVERYTHING = [APP, *EXPLORER, *MODELS, *TRAINING]


def offending(files: list[Source], packages: set[str]) -> dict[str, set[str]]:
    return {source.path: found for source in files if (found := source.packages & packages)}


def test_every_room_is_there_to_be_held_to_the_rules():
    assert min(len(EXPLORER), len(MODELS), len(TRAINING)) >= 10
    assert all(source.imported for source in EVERYTHING)


def test_models_import_nothing_of_ours():
    assert offending(MODELS, {"explorer", "training", "app"}) == {}


def test_explorer_knows_the_towers_by_their_interfaces_and_compose_their_registry():
    for source in EXPLORER:
        ours = {".".join(name.split(".")[:2]) for name in source.imported if name.startswith("models")}
        allowed = {"models.interfaces"} | ({"models.registry"} if source.path == COMPOSE else set())
        assert ours <= allowed, source.path


def test_explorer_has_no_deep_learning_in_its_source():
    assert offending([APP, *EXPLORER], HEAVY | {"training"}) == {}


def test_training_never_touches_the_screen():
    assert offending(TRAINING, {"gradio", "app"}) == {}
    assert [s.path for s in TRAINING if any(name.startswith("explorer.ui") for name in s.imported)] == []


def test_imports_name_their_module_in_full():
    assert [s.path for s in EVERYTHING if any(isinstance(n, ast.ImportFrom) and n.level for n in s.nodes)] == []


def test_a_package_opens_without_loading_anything_heavy():
    assert offending([source for source in EVERYTHING if source.path.endswith("__init__.py")], HEAVY | LAZY) == {}


def test_the_import_contracts_are_kept():
    """The same rules as import-linter reads them from pyproject.toml, indirect imports included."""
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


def test_no_file_is_over_400_lines():
    drawn = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "assets" / "theme").iterdir()}
    texts = drawn | {source.path: source.text for source in EVERYTHING}
    assert {"review.js", "page.css"} <= set(texts)
    assert [name for name, text in texts.items() if len(text.splitlines()) > 400] == []


def test_no_function_is_over_60_lines_and_half_have_at_most_12():
    lengths = {name: lines for source in EVERYTHING for name, lines in source.functions.items()}
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
    assert median(lengths.values()) <= 12


def test_nothing_that_runs_what_it_reads_is_used():
    assert offending(EVERYTHING, {"pickle", "dill", "joblib", "shelve", "marshal"}) == {}
    running = {"eval", "exec", "compile", "__import__", "os.system", "torch.jit.load"}
    assert {source.path: found for source in EVERYTHING if (found := source.called & running)} == {}


def test_pytorch_files_are_read_in_one_place_that_builds_no_objects():
    assert [source.path for source in EVERYTHING if "torch.load" in source.called | source.imported] == [WEIGHTS]
    (guarded,) = [call for source in MODELS for name, call in source.calls if name == "torch.load"]
    assert {word.arg: ast.unparse(word.value) for word in guarded.keywords}["weights_only"] == "True"


def test_no_call_trusts_what_it_loads():
    for source in EVERYTHING:
        said = {word.arg for _, call in source.calls for word in call.keywords if ast.unparse(word.value) != "False"}
        assert not said & {"trust_remote_code", "allow_pickle", "shell"}, source.path


def test_no_error_is_caught_without_naming_it():
    bare = [s.path for s in EVERYTHING if any(isinstance(n, ast.ExceptHandler) and n.type is None for n in s.nodes)]
    assert bare == []


def test_only_command_lines_print():
    silent = [source for source in EVERYTHING if not source.path.startswith(COMMAND_LINES)]
    assert [source.path for source in silent if "print" in source.called] == []


def test_there_is_no_log_for_patient_data_to_reach():
    assert offending(EVERYTHING, {"logging", "loguru"}) == {}


def test_no_source_names_a_folder_of_one_machine():
    homes = ("/home/", "/Users/", "/root/")
    assert [source.path for source in EVERYTHING if any(home in source.text for home in homes)] == []
