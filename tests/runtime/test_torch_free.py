"""Prediction needs neither torch nor any other package of the training extra."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from understudy.core.task import Task
from understudy.export.folder import export
from understudy.runtime import load
from understudy.runtime.fast import status
from understudy.students import build
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

TASK = Task(("bad", "good"))
NAMES = ["attn-bilstm.v1", "cbow.v1", "attn-bilstm.v1-pieces", "cbow.v1-pieces"]
WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "good", "bad")
TEXTS = ["the film was good", "bad", "", "zebra the film"]

HEAVY = (
    "click", "datasets", "huggingface_hub", "jinja2", "matplotlib", "onnx", "pandas", "pyarrow", "pydantic",
    "rich", "safetensors", "scipy", "sklearn", "tokenizers", "torch", "transformers", "typer", "yaml",
)  # fmt: skip

BLOCKER = f"import sys\nsys.modules.update(dict.fromkeys({HEAVY!r}))\n"
"""None of them can be found or imported behind this."""


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
    own = train_wordpiece(["the film was good and the actors were bad"] * 3, 60)
    for name in NAMES:
        student = name.removesuffix("-pieces")
        vocabulary = WordVocabulary(WORDS) if student == name else own
        module = build(student, 2, seed=0, vocabulary_size=len(vocabulary)).eval()
        one = TorchStudent(student, module, vocabulary.cut(module.config.max_words), TASK)
        export(one, root / name, teacher={}, about={})
    bert = bert_like()
    module = build("cbow.v1", 2, seed=0, vocabulary_size=len(bert)).eval()
    export(TorchStudent("cbow.v1", module, bert, TASK), root / "teacher-pieces", teacher={}, about={})
    return root


def bert_like():
    """Uncased BERT's tokeniser, as a teacher has it."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "film"]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return SubwordVocabulary(json.loads(tokenizer.to_str()), 64)


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
    assert [message.split()[2] for message in run(code)] == list(HEAVY)


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
    rooms = {"_fast", "_version", "core", "errors", "runtime", "tokenization"}
    assert {name.split(".")[1] for name in run(code, folders)} <= rooms


def test_importing_the_package_alone_imports_nothing_heavy():
    code = (
        "import json, sys, understudy\n"
        "print(json.dumps([understudy.__version__, sorted({name.split('.')[0] for name in sys.modules})]))\n"
    )
    version, modules = run(code)
    assert version.count(".") >= 2
    assert {"onnxruntime", "numpy", *HEAVY}.isdisjoint(modules)


COMMAND = BLOCKER + (
    "import contextlib, io, json\n"
    "from understudy.__main__ import main\n"
    "out, err, code = io.StringIO(), io.StringIO(), 0\n"
    "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):\n"
    "    try:\n"
    "        main()\n"
    "    except SystemExit as error:\n"
    "        code = error.code or 0\n"
    "print(json.dumps([code, out.getvalue(), err.getvalue()]))\n"
)
"""The command line in the base install."""


@pytest.mark.parametrize("is_fast", ["0", "1"])
@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_answers_without_torch(folders, name, is_fast, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_FAST", is_fast)
    code, out, _ = run(COMMAND, "predict", folders / name, "the film", "--format", "jsonl")
    assert code == 0
    assert json.loads(out)["label"] == load(folders / name).predict("the film")


def test_the_base_install_names_its_verbs_and_the_extra_for_others():
    assert json.loads(run(COMMAND, "info")[1])["versions"]["numpy"]
    for arguments in ([], ["--help"]):
        code, out, _ = run(COMMAND, *arguments)
        assert code == 0
        assert "predict" in out
        assert "understudy[train]" in out
    code, out, error = run(COMMAND, "distill", "x.csv")
    assert (code, out) == (1, "")
    assert error.startswith("Error:")
    assert "'distill'" in error
    assert "understudy[train]" in error


@pytest.mark.parametrize("is_fast", ["0", "1"])
def test_a_teachers_own_pieces_need_their_library_from_the_beginning(folders, is_fast, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_FAST", is_fast)
    code, out, error = run(COMMAND, "predict", folders / "teacher-pieces", "the film")
    assert (code, out) == (1, "")
    assert "understudy[pieces]" in error
