"""What the tests of tools share."""

import importlib
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def open_tool(monkeypatch):
    """Imports a tool by its name; it is forgotten afterwards, with all tools that it imported."""
    monkeypatch.syspath_prepend(str(TOOLS))
    yield importlib.import_module
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "").parent == TOOLS:
            del sys.modules[name]
