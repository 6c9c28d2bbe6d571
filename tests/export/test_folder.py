import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from understudy._version import __version__
from understudy.core.manifest import MANIFEST, read_json, read_manifest, verify
from understudy.core.task import Task
from understudy.errors import ArtifactError, ExportError, RecipeError, UnderstudyError
from understudy.export import folder as room
from understudy.export.folder import annotate, export
from understudy.export.parity import TOLERANCE, parity
from understudy.runtime import load
from understudy.runtime.fast import status
from understudy.runtime.fast_format import MOST_LABELS, MOST_WIDTH
from understudy.runtime.layout import FORMAT, Layout
from understudy.students import STUDENTS, build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

NAMES = ["attn-bilstm.v1", "cbow.v1"]
"""One student that ONNX Runtime serves and one of the C extension; the contract test has all of them."""


TASK = Task(("bad", "fair", "good"), metric="mcc")
WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "good", "bad", "not", "quite")
SIZES = {
    "cbow.v1": {"width": 6, "hidden": 5},
    "attn-bilstm.v1": {"width": 32, "hidden": 16, "feed_forward": 32, "max_words": 20},
}
FILES = {"config.json", "tokenizer.json", "model.safetensors", "model.onnx", "report.json", "README.md"}
FLAT = {"model.fast"}  # of students that the C extension can serve
NGRAMS = {"ngrams.npy"}  # of students that read n-grams
CHARACTERS = {"characters.json"}  # of those that read parts of words
SPELLED = {"spelling.json"}  # of taggers that read how words are spelled


def files_of(name):
    return FILES | (FLAT if name == "cbow.v1" else set())


TEACHER = {"name": "tiny", "fingerprint": "f" * 64}


def student(name="cbow.v1", seed=0, labels=TASK.labels):
    sizes = SIZES.get(name, {})
    module = build(name, len(labels), seed=seed, vocabulary_size=len(WORDS), **sizes).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    task = Task(labels, metric=TASK.metric)
    return TorchStudent(name, module, WordVocabulary(WORDS, module.config.max_words), task)


def write(folder, one=None, about=None):
    return export(one or student(), folder, teacher=TEACHER, about=about or {"seed": 7})


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "student")
    return tmp_path / "student"


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


# ------------------------------------------------------------------------------------------ what is written


def test_every_file_of_the_layout_is_written_and_listed(tmp_path, name):
    one = student(name)
    difference = write(tmp_path / "s", one, {"seed": 7, "recipe": "r"})
    layout = Layout(tmp_path / "s")
    properties = [key for key, value in vars(Layout).items() if isinstance(value, property)]
    named = FILES | FLAT | NGRAMS | CHARACTERS | SPELLED
    assert {getattr(layout, key).name for key in properties} == named
    assert {path.name for path in layout.folder.iterdir()} == files_of(name) | {MANIFEST}
    manifest = verify(layout.folder)
    assert set(manifest["files"]) == files_of(name)
    assert (manifest["seed"], manifest["recipe"]) == (7, "r")
    assert 0 <= difference <= TOLERANCE


def test_the_config_says_what_the_student_is(tmp_path, name):
    one = student(name)
    difference = write(tmp_path / "s", one)
    config = read_json(tmp_path / "s" / "config.json")
    assert config["format"] == FORMAT
    assert Task.from_dict(config["task"]) == TASK
    assert config["student"]["name"] == name
    assert config["student"]["config"]["vocabulary_size"] == len(WORDS)
    assert config["parameters"] == one.parameters == STUDENTS[name].parameters(one.module.config, 3)
    assert config["vocabulary"] == {"kind": "words", "size": len(WORDS)}
    assert config["teacher"] == TEACHER
    assert config["onnx"] == {
        "inputs": ["ids", "lengths"],
        "output": "logits",
        "largest_difference": difference,
        "precision": "float32",
    }
    assert config["quantisation"]["wanted"] == "none"
    assert config["versions"]["understudy"] == __version__
    assert config["versions"]["torch"] == torch.__version__


def test_the_weights_are_the_torch_students(tmp_path, name):
    one = student(name)
    write(tmp_path / "s", one)
    saved = load_file(tmp_path / "s" / "model.safetensors")
    state = one.module.state_dict()
    assert saved.keys() == state.keys()
    assert all(torch.equal(saved[key], state[key]) for key in state)


def test_the_same_student_gives_the_same_bytes(tmp_path, name):
    write(tmp_path / "a", student(name))
    write(tmp_path / "b" / "deeper", student(name))
    one = contents(tmp_path / "a")
    assert one == contents(tmp_path / "b" / "deeper")
    write(tmp_path / "a", student(name))
    assert one == contents(tmp_path / "a")
    write(tmp_path / "a", student(name, seed=1))
    assert one["model.onnx"] != contents(tmp_path / "a")["model.onnx"]


def test_an_older_folder_is_replaced_and_files_of_others_stay(folder):
    (folder / "left-over").write_text("x", encoding="utf-8")
    write(folder, student("attn-bilstm.v1"))
    assert read_json(folder / "config.json")["student"]["name"] == "attn-bilstm.v1"
    assert {path.name for path in folder.iterdir()} == FILES | {MANIFEST, "left-over"}
    assert [path.name for path in folder.parent.iterdir()] == ["student"]


# --------------------------------------------------------------------------- sizes beyond the C extension


def sized(name, labels=2, **sizes):
    module = build(name, labels, seed=0, vocabulary_size=len(WORDS), **sizes).eval()
    return TorchStudent(name, module, WordVocabulary(WORDS), Task(tuple(f"label {n}" for n in range(labels))))


BUCKETS = {"buckets": 8}
TOO_LARGE = {
    "cbow.v1:width": (("cbow.v1", 2, {"width": MOST_WIDTH + 1}), "numbers in an embedding"),
    "cbow.v1:hidden": (("cbow.v1", 2, {"hidden": MOST_WIDTH + 1}), "numbers in its hidden layer"),
    "dan.v1:width": (("dan.v1", 2, {"width": MOST_WIDTH + 1, **BUCKETS}), "numbers in an embedding"),
    "dan.v1:longest": (("dan.v1", 2, {"longest": 17, **BUCKETS}), "words in its longest n-grams"),
    "dan.v1:gram_weight": (("dan.v1", 2, {"gram_weight": 1e6, **BUCKETS}), "its n-grams weigh"),
    "labels": (("cbow.v1", MOST_LABELS + 1, {}), "labels"),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_student_beyond_the_limits_of_c_is_served_by_its_graph(tmp_path, what):
    (name, labels, sizes), reason = TOO_LARGE[what]
    one = sized(name, labels, **sizes)
    export(one, tmp_path / "s", teacher=TEACHER, about={}, table="auto")
    assert {path.name for path in (tmp_path / "s").iterdir()} == FILES | {MANIFEST}
    note = read_json(tmp_path / "s" / "config.json")["quantisation"]["table"]["why"]
    assert note.startswith("there is no model.fast, so ONNX Runtime answers: ")
    assert reason in note
    model = load(tmp_path / "s")
    assert model.fast is None
    texts = ["the film was good", "bad", ""]
    np.testing.assert_allclose(model.logits(texts), one.logits(texts), atol=1e-4)
    with pytest.raises(RecipeError, match=reason):
        export(one, tmp_path / "t", teacher=TEACHER, about={}, table="int8", dev=([], None))


@pytest.mark.parametrize(("name", "sizes"), [("cbow.v1", {"width": 2000}), ("dan.v1", {"hidden": 1100})])
def test_wide_students_within_the_limits_are_served_by_c(tmp_path, name, sizes):
    one = sized(name, **sizes, **(BUCKETS if name == "dan.v1" else {}))
    export(one, tmp_path / "s", teacher=TEACHER, about={})
    model = load(tmp_path / "s")
    assert (model.fast is not None) == status().is_active
    texts = ["the film was good", "bad", ""]
    np.testing.assert_allclose(model.logits(texts), one.logits(texts), atol=1e-4)


# --------------------------------------------------------------------------------------------------- parity


def nudge(module, monkeypatch, by):
    """Let the module's graph have one weight that torch does not have."""
    import onnx

    real = module.to_onnx

    def wrong():
        graph = real()
        (bias,) = [weight for weight in graph.graph.initializer if weight.name == "output.b"]
        values = onnx.numpy_helper.to_array(bias).copy()
        values[1] += by
        bias.CopyFrom(onnx.numpy_helper.from_array(values, "output.b"))
        return graph

    monkeypatch.setattr(type(module), "to_onnx", lambda self: wrong())


@pytest.mark.parametrize("by", [0.001, -1.0, float("nan"), float("inf")])
def test_a_graph_that_answers_otherwise_is_not_written(tmp_path, monkeypatch, name, by):
    one = student(name)
    nudge(one.module, monkeypatch, by)
    with pytest.raises(ExportError, match=name.replace(".", r"\.")):
        write(tmp_path / "s", one)
    assert list(tmp_path.iterdir()) == []


def test_an_older_folder_survives_a_failed_export(folder, monkeypatch):
    before = contents(folder)
    one = student(seed=1)
    nudge(one.module, monkeypatch, 0.01)
    with pytest.raises(ExportError, match=r"0\.01"):
        write(folder, one)
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["student"]


def test_a_difference_within_the_tolerance_passes_and_is_told(tmp_path, monkeypatch):
    one = student()
    nudge(one.module, monkeypatch, 5e-5)
    assert write(tmp_path / "s", one) == pytest.approx(5e-5, rel=0.2)


def test_parity_looks_at_length_one_and_at_mixed_lengths(tmp_path, monkeypatch, name):
    """A student that answers short texts, or the padded ones of a batch, otherwise is found out."""
    one = student(name)
    write(tmp_path / "s", one)
    graph = Layout(tmp_path / "s").onnx
    assert parity(one, graph) <= TOLERANCE
    real = type(one.module).forward

    def biased(rows_of):
        def forward(self, batch):
            logits = real(self, batch)
            return logits + 0.01 * rows_of(batch.lengths).unsqueeze(1)

        return forward

    for rows_of in (
        lambda lengths: lengths == 1,  # the shortest
        lambda lengths: lengths < lengths.max(),  # the padded
        lambda lengths: lengths >= 129,  # the long
    ):
        monkeypatch.setattr(type(one.module), "forward", biased(rows_of))
        with pytest.raises(ExportError):
            parity(one, graph)


def test_a_graph_with_another_number_of_labels_is_refused(tmp_path):
    write(tmp_path / "two", student(labels=("bad", "good")))
    with pytest.raises(ExportError):
        parity(student(), Layout(tmp_path / "two").onnx)


def test_a_vocabulary_of_special_words_alone_can_be_exported(tmp_path):
    module = build("cbow.v1", 2, seed=0, vocabulary_size=3).eval()
    one = TorchStudent("cbow.v1", module, WordVocabulary(WORDS[:3]), Task(("bad", "good")))
    write(tmp_path / "s", one)
    assert load(tmp_path / "s").predict("anything at all") in ("bad", "good")


# ------------------------------------------------------------------------------------------------- annotate


def test_annotate_changes_the_report_and_the_card_alone(folder):
    before, about = contents(folder), read_manifest(folder)
    assert annotate(folder, report={"accuracy": 0.5, "note": "é"}, card="# Card\n\né\n") is True
    after = contents(folder)
    assert {name for name in before if before[name] != after[name]} == {"report.json", "README.md", MANIFEST}
    assert read_json(folder / "report.json") == {"accuracy": 0.5, "note": "é"}
    assert (folder / "README.md").read_text(encoding="utf-8") == "# Card\n\né\n"
    manifest = verify(folder)
    assert set(manifest["files"]) == FILES | FLAT
    assert {key: value for key, value in manifest.items() if key != "files"} == {"seed": 7}
    for name in (FILES | FLAT) - {"report.json", "README.md"}:
        assert manifest["files"][name] == about["files"][name]
    assert load(folder).predict("the film") in TASK.labels


def test_annotate_leaves_a_folder_that_says_it_already(folder):
    arguments = {"report": {"b": 1, "a": [2.5]}, "card": "# Card\n"}
    assert annotate(folder, **arguments) is True
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    inode = folder.stat().st_ino
    assert annotate(folder, **arguments) is False
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert folder.stat().st_ino == inode
    assert annotate(folder, report=arguments["report"], card="# Other\n") is True
    assert annotate(folder, report={"b": 2}, card="# Other\n") is True


@pytest.mark.parametrize("file", sorted((FILES | FLAT) - {"report.json", "README.md"}))
def test_annotate_does_not_vouch_for_an_altered_file(folder, file):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(ArtifactError, match=file.replace(".", r"\.")):
        annotate(folder, report={"accuracy": 0.5}, card="# Card\n")


def test_annotate_refuses_what_is_no_student(tmp_path):
    with pytest.raises(UnderstudyError, match="nowhere"):
        annotate(tmp_path / "nowhere", report={}, card="")


def test_annotate_keeps_the_folder_where_it_fails(folder, monkeypatch):
    before = contents(folder)

    class FullError(OSError):
        pass

    def fails(self, *args, **more):
        raise FullError

    monkeypatch.setattr(room.Path, "write_bytes", fails)
    with pytest.raises(FullError):
        annotate(folder, report={"accuracy": 0.5}, card="# Card\n")
    monkeypatch.undo()
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["student"]


def test_numpy_numbers_do_not_slip_into_the_report_unnoticed(folder):
    before = contents(folder)
    with pytest.raises(TypeError):
        annotate(folder, report={"accuracy": np.float32(0.5)}, card="")
    assert contents(folder) == before
    assert json.loads(before["report.json"])["note"]
