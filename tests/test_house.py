"""The house stays in order: imports go down the floors, and the command line answers at once."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "midtrain"
FLOORS = {
    "core": 0,
    **dict.fromkeys(("text", "models"), 1),
    **dict.fromkeys(("documents", "verify"), 2),
    **dict.fromkeys(("tokens", "generation"), 3),
    **dict.fromkeys(("training", "evaluation"), 4),
    "search": 5,
    **dict.fromkeys(("synthesis", "reinforcement", "report"), 6),
    "recipe": 7,
    "lab": 8,
    "cli": 9,
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def midtrain_imports(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [(n.split(".")[1], node.lineno) for n in names if n.startswith("midtrain.")]
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_the_floors(path):
    mine = room(path)
    if mine in ("__init__", "__main__"):
        return
    assert mine in FLOORS, f"the room {mine} is on no floor"
    for other, line in midtrain_imports(path):
        if other != mine and other != "__version__":
            assert FLOORS[other] < FLOORS[mine], f"{path}:{line} imports sideways or upward: {mine} -> {other}"


HEAVY = ("torch", "transformers", "pyarrow", "numba", "plotly")


@pytest.mark.parametrize("module", ["midtrain.cli", "midtrain.recipe.schema"])
def test_help_and_recipes_load_no_heavy_library(module):
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_answers_in_half_a_second():
    """Half a second of processor time, so that a loaded machine does not decide."""

    def help_seconds() -> float:
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-m", "midtrain.cli", "--help"], capture_output=True, text=True, check=True
        )
        after = os.times()
        assert "plan" in done.stdout
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(help_seconds() for _ in range(3)) < 0.5
