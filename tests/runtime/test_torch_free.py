"""Prediction needs neither torch nor any other package of the training extra."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from understudy.export import export
from understudy.runtime import load
from understudy.runtime.fast import status
from understudy.students import build
from understudy.task import Task
from understudy.training.student import TorchStudent
from understudy.words import WordVocabulary

TASK = Task(("bad", "good"))
NAMES = ["bilstm.v1", "cbow.v1"]
WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "good", "bad")
TEXTS = ["the film was good", "bad", "", "zebra the film"]

HEAVY = (
    "datasets", "jinja2", "matplotlib", "onnx", "pandas", "pyarrow", "pydantic", "safetensors", "scipy",
    "sklearn", "torch", "transformers", "yaml",
)  # fmt: skip

BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Blocker())
"""


def run(code, *arguments):
    """Run Python in a process of its own, and return what it printed, read as JSON."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("students")
    for name in NAMES:
        module = build(name, 2, seed=0, vocabulary_size=len(WORDS)).eval()
        one = TorchStudent(name, module, WordVocabulary(WORDS, module.config.max_words), TASK)
        export(one, root / name, teacher={}, about={})
    return root


def test_the_blocker_blocks():
    code = BLOCKER + (
        "import json\n"
        "found = []\n"
        f"for name in {HEAVY!r}:\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ImportError as error:\n"
        "        found.append(str(error))\n"
        "print(json.dumps(found))\n"
    )
    assert run(code) == [f"blocked: {name}" for name in HEAVY]


def test_students_answer_without_torch(folders):
    code = BLOCKER + (
        "import json\n"
        "import understudy\n"
        "from understudy.runtime import load\n"
        "found = {}\n"
        f"for name in {NAMES!r}:\n"
        "    model = load(sys.argv[1] + '/' + name)\n"
        f"    texts = {TEXTS!r}\n"
        "    found[name] = [model.predict(texts), model.predict(texts[0]), model.logits(texts).tolist(),\n"
        "                   model.predict_proba(texts[0]).tolist()]\n"
        "print(json.dumps(found))\n"
    )
    found = run(code, folders)
    assert list(found) == NAMES
    for name, (many, one, logits, probabilities) in found.items():
        model = load(folders / name)
        assert many == model.predict(TEXTS)
        assert one == many[0]
        np.testing.assert_allclose(logits, model.logits(TEXTS), atol=1e-6)
        assert sum(probabilities) == pytest.approx(1)


@pytest.mark.parametrize("is_fast", ["0", "1"])
def test_the_runtime_brings_no_package_of_the_training_extra(folders, is_fast, monkeypatch):
    """Without a blocker: nothing heavy is imported even where it is installed."""
    monkeypatch.setenv("UNDERSTUDY_FAST", is_fast)
    code = (
        "import json, sys\n"
        "from understudy.runtime import load\n"
        "load(sys.argv[1] + '/cbow.v1').predict(['the film'])\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    modules = run(code, folders)
    assert ("onnxruntime" in modules) == (is_fast == "0" or not status().is_active)
    assert set(HEAVY).isdisjoint(modules)


def test_the_runtime_imports_only_the_first_rooms(folders):
    code = (
        "import json, sys\n"
        "from understudy.runtime import load\n"
        "load(sys.argv[1] + '/cbow.v1').predict(['the film'])\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('understudy.'))))\n"
    )
    allowed = {
        f"understudy.{room}"
        for room in (
            "_fast",
            "_version",
            "batching",
            "casing",
            "encoding",
            "errors",
            "flat",
            "folders",
            "items",
            "layout",
            "runtime",
            "runtime.fast",
            "runtime.opening",
            "runtime.model",
            "runtime.reference",
            "runtime.session",
            "runtime.tagged",
            "spans",
            "subwords",
            "task",
            "windows",
            "words",
        )
    }
    assert set(run(code, folders)) <= allowed


def test_importing_the_package_alone_imports_nothing_heavy():
    code = (
        "import json, sys, understudy\n"
        "print(json.dumps([understudy.__version__, sorted({name.split('.')[0] for name in sys.modules})]))\n"
    )
    version, modules = run(code)
    assert version.count(".") >= 2
    assert {"onnxruntime", "numpy", "tokenizers", "rich", "typer", *HEAVY}.isdisjoint(modules)


def test_the_command_line_answers_without_torch(folders):
    # typer brings pydantic along, so that the base install has it all the same.
    code = BLOCKER.replace("'pydantic', ", "") + (
        "import json\n"
        "from typer.testing import CliRunner\n"
        "from understudy.cli import app\n"
        "arguments = ['predict', sys.argv[1] + '/cbow.v1', 'the film', '--format', 'jsonl']\n"
        "done = CliRunner().invoke(app, arguments)\n"
        "assert done.exit_code == 0, done.output\n"
        "print(done.stdout)\n"
    )
    assert run(code, folders)["label"] == load(folders / "cbow.v1").predict("the film")
