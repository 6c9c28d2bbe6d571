"""A wheel is what its name says, with a C extension or for any machine; and an sdist holds all it needs."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = """#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_fast"};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""


@pytest.fixture
def source(tmp_path):
    """A copy of what is built, so that the working tree stays as it is; of the package one file is enough."""
    folder = tmp_path / "source"
    shutil.copytree(ROOT / "native", folder / "native")
    shutil.copytree(ROOT / "tests" / "core", folder / "tests" / "core")
    shutil.copy(ROOT / "tests" / "test_setup.py", folder / "tests")
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    package = folder / "src" / "understudy"
    package.mkdir(parents=True)
    for name in ("__init__.py", "_version.py"):
        shutil.copy(ROOT / "src" / "understudy" / name, package)
    return folder


def run(source, command, **environment):
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", command, "--dist-dir", "out"],
        cwd=source,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = (source / "out").iterdir()
    return made


def test_a_wheel_without_the_extension_is_one_for_any_machine(source):
    wheel = run(source, "bdist_wheel", CC="/bin/false")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (archive.read(name).decode() for name in names if name.endswith("/WHEEL"))
    assert "understudy/__init__.py" in names
    assert not any("_fast" in name for name in names)
    assert "Root-Is-Purelib: true" in about
    assert "Tag: py3-none-any" in about


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no compiler here")
def test_a_wheel_with_the_extension_is_named_after_the_machine(source):
    for path in (source / "native").iterdir():
        path.unlink()
    (source / "native" / "tiny.c").write_text(TINY)
    wheel = run(source, "bdist_wheel", CC="gcc", LDSHARED="gcc -shared")
    assert "-none-any" not in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if name.startswith("understudy/_fast")]


def test_the_source_holds_the_extension_and_no_part_of_the_tests(source):
    with tarfile.open(run(source, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"native/{path.name}" for path in (ROOT / "native").iterdir()} <= names
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE", "src/understudy/__init__.py"} <= names
    assert not any(name.startswith("tests") for name in names)
