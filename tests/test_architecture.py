"""The rooms of the package, read from its source: which room imports which, and what no file does."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import understudy

SOURCE = Path(understudy.__file__).parent

ROOMS = (
    "errors",
    "_version",
    "_fast",
    "core",
    "tokenization",
    "evaluation",
    "runtime",
    "data",
    "optim",
    "students",
    "report",
    "teachers",
    "augment",
    "targets",
    "training",
    "export",
    "pipeline",
    "cli",
    "__init__",
    "__main__",
)
"""The ground first: a room imports only rooms above it."""

LEVEL = {room: level for level, room in enumerate(ROOMS)}

GROUND = {"errors", "_version"}

ALLOWED = {
    "errors": set(),
    "_version": set(),
    "core": GROUND,
    "tokenization": GROUND | {"core"},
    "evaluation": GROUND | {"core"},
    "runtime": GROUND | {"core", "tokenization", "_fast"},
    "data": GROUND | {"core", "tokenization"},
    "optim": GROUND | {"core", "evaluation"},
    "students": GROUND | {"core", "tokenization", "runtime"},  # for what the C extension does in training
    "report": GROUND | {"core", "evaluation"},
    "teachers": GROUND | {"core", "tokenization", "evaluation", "data", "optim"},
    "augment": GROUND | {"core", "tokenization", "data", "optim", "teachers"},
    "targets": GROUND | {"core", "teachers"},
}
"""Rooms that may import less than the order alone allows; each may import itself."""

FREE_OF_TORCH = {
    "errors",
    "core",
    "tokenization",
    "evaluation",
    "runtime",
    "data",
    "report",
    "augment",
    "targets",
    "cli",
}
MAY_USE_TORCH = SOURCE / "augment" / "neural"
"""The one folder of such a room whose files import torch; the room imports them where it calls them."""

PREDICTS = ("errors", "core", "tokenization", "evaluation", "runtime")
"""Rooms that the base install has to be enough for."""

MOST_LOOSE, MOST_FLOORS, MOST_ARROWS = 5, 12, 120

HEAVY = {"torch", "transformers", "safetensors", "sentence_transformers"}
BASE_INSTALL = {"numpy", "onnxruntime"}
BEYOND = {"wordpiece.py": {"tokenizers"}}
"""What one file of these needs for its part in training, imported where it is called."""

MOST_LINES = 400


def modules():
    return sorted(SOURCE.rglob("*.py"))


def short(path):
    return str(path.relative_to(SOURCE))


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def called(node):
    """The name of what a call calls: ``print``, ``import_module``, ``load``."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def imported(path, tree=None):
    """Every name that a module imports, in full, wherever the import stands."""
    package = ["understudy", *path.relative_to(SOURCE).parts[:-1]]
    names = set()
    for node in ast.walk(tree or parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{start}.{alias.name}" for alias in node.names}
        elif called(node) in ("import_module", "__import__") and isinstance(node.args[0], ast.Constant):
            names.add(str(node.args[0].value))
    return names


def rooms_imported(path):
    names = [name.split(".") for name in imported(path)]
    return {parts[1] if len(parts) > 1 else "__init__" for parts in names if parts[0] == "understudy"}


def libraries_imported(path):
    found = {name.split(".")[0] for name in imported(path)}
    return found - {"understudy"} - set(sys.stdlib_module_names)


def test_imports_are_found_wherever_they_stand():
    tree = ast.parse(
        "import a.b\ndef f():\n    from c import d, e\n    import_module('f.g')\n"
        "if TYPE_CHECKING:\n    from . import h\n    from ..i import j\n"
        "from understudy.tokenization import words"
    )
    expected = {
        "a.b",
        "c.d",
        "c.e",
        "f.g",
        "understudy.data.h",
        "understudy.i.j",
        "understudy.tokenization.words",
    }
    assert imported(SOURCE / "data" / "table.py", tree) == expected


def test_every_module_has_a_room():
    homeless = {room_of(path) for path in modules()} - set(ROOMS)
    assert not homeless, f"Give {sorted(homeless)} a place in ROOMS."
    assert len(modules()) > 30


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_room_imports_only_rooms_above(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    foreign = rooms_imported(path) - {room}
    unknown = foreign - set(LEVEL)
    assert not unknown, f"{short(path)} imports {sorted(unknown)}: no such room."
    below = {other for other in foreign if LEVEL[other] > LEVEL[room]}
    assert not below, f"{short(path)} imports {sorted(below)}, below its own room {room!r}."
    if room in ALLOWED:
        refused = foreign - ALLOWED[room]
        assert not refused, f"{short(path)} imports {sorted(refused)}, which {room!r} may not know."


@pytest.mark.parametrize("path", [path for path in modules() if room_of(path) in FREE_OF_TORCH], ids=short)
def test_these_rooms_never_import_torch(path):
    assert not libraries_imported(path) & HEAVY or path.parent == MAY_USE_TORCH


@pytest.mark.parametrize("path", [path for path in modules() if room_of(path) in PREDICTS], ids=short)
def test_prediction_needs_the_base_install_alone(path):
    assert libraries_imported(path) <= BASE_INSTALL | BEYOND.get(path.name, set())


def test_the_base_install_brings_nothing_else():
    project = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split(r"[<>=~!]", needed)[0] for needed in project["dependencies"]} == BASE_INSTALL


def test_the_tree_stays_readable():
    """Few loose files, few floors, few arrows between rooms, and no circle among them."""
    loose = [path.name for path in SOURCE.glob("*.py")]
    assert len(loose) <= MOST_LOOSE, f"{loose} lie loose: give them a room."
    arrows = {
        (room_of(path), other)
        for path in modules()
        for other in rooms_imported(path) - {room_of(path)}
        if not room_of(path).startswith("_") and other not in ("__init__", "_version", "errors")
    }
    assert len(arrows) <= MOST_ARROWS
    floors = {}
    for room in ROOMS:  # the order has no circle, so each room's floor is known when it is asked for
        floors[room] = 1 + max((floors[other] for one, other in arrows if one == room), default=0)
    assert max(floors.values()) <= MOST_FLOORS, floors


@pytest.mark.parametrize("path", modules(), ids=short)
def test_nobody_prints_or_pickles(path):
    tree = parse(path)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert not prints or room_of(path) == "cli", f"{short(path)} prints in lines {prints}."
    loads = [call.lineno for call in calls if ast.unparse(call.func) in ("torch.load", "torch.save")]
    assert not loads, f"{short(path)} calls torch.load or torch.save in lines {loads}."
    assert not imported(path, tree) & {"torch.load", "torch.save"}
    unsafe = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    assert not {name.split(".")[0] for name in imported(path, tree)} & unsafe
    allowed = [
        call.lineno
        for call in calls
        for word in call.keywords
        if word.arg == "allow_pickle" and getattr(word.value, "value", True) is not False
    ]
    assert not allowed, f"{short(path)} allows pickle in lines {allowed}."


@pytest.mark.parametrize("path", modules(), ids=short)
def test_files_are_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{short(path)} has {lines} lines: it is two rooms."


def test_importing_what_predicts_and_judges_loads_no_torch():
    rooms = ["", *sorted(f".{room}" for room in FREE_OF_TORCH if room_exists(room))]
    walk = "import importlib, pkgutil, sys\nfor room in sys.argv[1:]:\n"
    walk += "    module = importlib.import_module('understudy' + room)\n"
    walk += "    folders = getattr(module, '__path__', []) if room else []\n"
    walk += "    for part in pkgutil.walk_packages(folders, module.__name__ + '.'):\n"
    walk += f"        '{MAY_USE_TORCH.name}' in part.name or importlib.import_module(part.name)\n"
    walk += f"print(sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", walk, *rooms], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout == "[]\n"


def room_exists(room):
    return (SOURCE / room).is_dir() or (SOURCE / f"{room}.py").is_file()
