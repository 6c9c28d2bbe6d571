"""Fixtures for all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A function from the name of a public data set to its folder; the test is skipped where it is absent."""

    def folder(name: str) -> Path:
        root = os.environ.get("UNDERSTUDY_DATA")
        base = Path(root) if root else Path(__file__).parents[1] / ".." / "shared" / "data"
        if not (base / name).is_dir():
            pytest.skip(f"public data set {name!r} is not here; set UNDERSTUDY_DATA to a folder that has it")
        return (base / name).resolve()

    return folder
