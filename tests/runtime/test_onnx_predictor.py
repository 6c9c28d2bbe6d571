import numpy as np
import pytest

from understudy.core.task import Predictor, Task
from understudy.runtime import onnx_session as settings
from understudy.runtime.onnx_predictor import Reference
from understudy.runtime.onnx_session import open_session
from understudy.students import build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

WORDS = ("[PAD]", "[UNK]", "[MASK]", "[SEP]", *(f"w{n}" for n in range(30)))
TASKS = {
    "text": Task(("bad", "good")),
    "diffcat": Task(("no", "yes"), kind="pair", texts=2),
    "tokens": Task(("O", "B-x", "I-x"), kind="tagging", metric="span_f1"),
}


def texts(number, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS[4:], n)) for n in rng.integers(1, 20, number)]


def items_of(form, number=40):
    if form == "text":
        return texts(number)
    if form == "diffcat":
        return list(zip(texts(number), texts(number, 1), strict=True))
    return [tuple(text.split()) for text in texts(number)]


@pytest.fixture(scope="module", params=sorted(TASKS))
def both(request):
    form, task = request.param, TASKS[request.param]
    module = build("bilstm.v1", len(task.labels), seed=0, form=form, vocabulary_size=len(WORDS)).eval()
    vocabulary = WordVocabulary(WORDS)
    session = open_session(module.to_onnx().SerializeToString())
    return Reference(task, form, vocabulary, session), TorchStudent("bilstm.v1", module, vocabulary, task)


def test_it_answers_as_torch_does(both):
    reference, student = both
    assert isinstance(reference, Predictor)
    items = items_of(reference.input_mode)
    np.testing.assert_allclose(reference.logits(items), student.logits(items), atol=1e-5)


def test_an_item_alone_is_answered_as_among_others(both):
    reference, _ = both
    items = items_of(reference.input_mode)
    alone = np.concatenate([reference.logits([item]) for item in items])
    np.testing.assert_allclose(alone, reference.logits(items), atol=1e-5)


def test_several_calls_put_every_row_in_its_place(both, monkeypatch):
    reference, _ = both
    items = items_of(reference.input_mode)
    whole = reference.logits(items)
    seen, real = [], Reference._run
    monkeypatch.setattr(
        Reference, "_run", lambda self, feeds: seen.append(feeds["ids"].shape) or real(self, feeds)
    )
    monkeypatch.setattr(settings, "TOKEN_BUDGET", 100)
    np.testing.assert_allclose(reference.logits(items), whole, atol=1e-5)
    assert len(seen) >= 5
    assert sum(rows for rows, _ in seen) == len(items)


def test_no_item_has_no_row(both):
    reference, _ = both
    assert reference.logits([]).shape == (0, len(reference.task.labels))
