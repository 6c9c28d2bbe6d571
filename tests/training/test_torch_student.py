import json

import numpy as np
import pytest
import torch

from understudy.core.manifest import MANIFEST, read_manifest, verify
from understudy.core.task import Predictor, Task
from understudy.errors import ArtifactError
from understudy.optim.epochs import Epoch
from understudy.students import STUDENTS, build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import (
    FACTS,
    TOKENIZER,
    WEIGHTS,
    TorchStudent,
    Trained,
    load_trained,
    save_trained,
)

NAMES = ["bilstm.v1", "cbow.v1"]
"""One student that reads order and one that does not; the contract test has all of them."""


TASK = Task(("bad", "fair", "good"), metric="macro_f1")
WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "good", "bad", "not", "quite")
SIZES = {"cbow.v1": {"width": 6, "hidden": 5}, "bilstm.v1": {"width": 6, "hidden": 5, "max_words": 20}}


def student(name, seed=0):
    module = build(name, 3, seed=seed, vocabulary_size=len(WORDS), **SIZES.get(name, {})).eval()
    with torch.no_grad():  # large weights, so that different texts get clearly different logits
        for parameter in module.parameters():
            parameter.mul_(3)
    return TorchStudent(name, module, WordVocabulary(WORDS, module.config.max_words), TASK)


@pytest.fixture(params=NAMES)
def one(request):
    return student(request.param)


def random_texts(n, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice([*WORDS[3:], "zebra"], length)) for length in rng.integers(1, 40, n)]


def test_it_is_a_predictor(one):
    logits = one.logits(random_texts(600))  # more than two batches
    assert isinstance(one, Predictor)
    assert (logits.shape, logits.dtype) == ((600, 3), np.float32)
    assert np.ptp(logits, axis=0).min() > 0.01


def test_rows_come_back_in_the_order_given(one):
    texts = random_texts(300)
    alone = np.concatenate([one.logits([text]) for text in texts])
    np.testing.assert_allclose(one.logits(texts), alone, atol=1e-5)
    # The same batches in two calls: the order of sums may differ.
    np.testing.assert_allclose(one.logits(texts), one.logits_of(one.encode(texts)), atol=1e-6)


def test_no_text_and_texts_without_words(one):
    assert one.logits([]).shape == (0, 3)
    empty = one.logits(["", " \n ", "zebra"])
    np.testing.assert_allclose(empty, np.repeat(empty[:1], 3, axis=0), atol=1e-6)


def test_answering_builds_no_gradients(one):
    one.logits(["the film"])
    assert all(parameter.grad is None for parameter in one.module.parameters())


def test_parameters_are_counted(one):
    spec = STUDENTS[one.name]
    assert one.parameters == spec.parameters(one.module.config, 3) > 100


def test_what_is_saved_is_what_is_loaded(one, tmp_path):
    curve = (Epoch(1, 0.5, 0.25, 0.75, 0.1), Epoch(2, 0.4, 0.5, 0.6, 0.1))
    save_trained(Trained(one, curve, 1.5), tmp_path / "s", {"seed": 7})
    again = load_trained(tmp_path / "s")
    assert (again.curve, again.seconds) == (curve, 1.5)
    assert again.student.task == TASK
    assert again.student.name == one.name
    assert again.student.module.config == one.module.config
    assert again.student.vocabulary.words == WORDS
    assert again.student.vocabulary.max_words == one.module.config.max_words
    assert not again.student.module.training
    kept = one.module.state_dict()
    assert all(torch.equal(value, kept[key]) for key, value in again.student.module.state_dict().items())
    texts = random_texts(50)
    # Loaded weights lie elsewhere in memory, so sums may differ in the last bit.
    np.testing.assert_allclose(again.student.logits(texts), one.logits(texts), atol=1e-6)
    manifest = read_manifest(tmp_path / "s")
    assert manifest["seed"] == 7
    assert set(manifest["files"]) == {WEIGHTS, TOKENIZER, FACTS}


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER, FACTS, MANIFEST])
@pytest.mark.parametrize("how", ["missing", "truncated", "altered"])
def test_a_damaged_folder_is_refused_by_name(tmp_path, file, how):
    folder = tmp_path / "s"
    save_trained(Trained(student("cbow.v1"), (), 0.0), folder, {})
    damage(folder / file, how)
    with pytest.raises(ArtifactError, match=file.replace(".", r"\.")):
        load_trained(folder)


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif (
        path.name == MANIFEST
    ):  # another digest for the first file: that file is named, and the manifest cleared
        path.write_text(json.dumps({"about": "nothing"}), encoding="utf-8")
    else:
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def test_saving_replaces_the_folder_and_leaves_files_of_others(tmp_path):
    save_trained(Trained(student("cbow.v1"), (), 0.0), tmp_path / "s", {})
    (tmp_path / "s" / "left-over").write_text("x")
    save_trained(Trained(student("bilstm.v1"), (), 0.0), tmp_path / "s", {})
    assert load_trained(tmp_path / "s").student.name == "bilstm.v1"
    assert set(verify(tmp_path / "s")["files"]) == {WEIGHTS, TOKENIZER, FACTS}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s" / "left-over").read_text() == "x"
