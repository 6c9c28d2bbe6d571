"""Whatever changes a function's answers changes its fingerprint, or the function is refused."""

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from understudy.errors import TeacherError
from understudy.teachers.fingerprints import fingerprint_of, reference_of


def score(texts, sign=1, weights=None):
    return [[sign, 0.0] for _ in texts]


def other(texts, sign=1):
    return [[0.0, sign] for _ in texts]


class Scorer:
    def __call__(self, texts):
        return score(texts)


class Model:
    """A model as users write them: weights in attributes, an answer by a method."""

    def __init__(self, weights, **more):
        self.weights = weights
        vars(self).update(more)

    def predict(self, texts):
        return score(texts, self.weights)

    def __call__(self, texts):
        return self.predict(texts)

    @classmethod
    def of_class(cls, texts):
        return score(texts)


class Slotted:
    __slots__ = ("weight",)

    def __init__(self, weight):
        self.weight = weight

    def predict(self, texts):
        return score(texts, self.weight)


def test_the_fingerprint_follows_the_source():
    def make(weight, more=None):
        return lambda texts: [weight, more, texts]

    assert fingerprint_of(make(1)) == fingerprint_of(make(1)) != fingerprint_of(make(2))
    assert fingerprint_of(make(1)) != fingerprint_of(lambda texts: [texts])
    assert fingerprint_of(score) == fingerprint_of(score) != fingerprint_of(other)
    assert fingerprint_of(Scorer()) == fingerprint_of(Scorer())
    assert reference_of(Scorer()).endswith(":Scorer")
    made = {}
    exec("def f(texts): return 1\ndef g(texts): return 2", made)
    assert fingerprint_of(made["f"]) != fingerprint_of(made["g"])
    with pytest.raises(TeacherError, match="attribute 'fingerprint'"):
        fingerprint_of(len)


def test_what_had_a_fingerprint_keeps_it():
    """Stores of plain functions, and of objects without state, stay valid."""
    import hashlib
    import inspect

    from understudy.core.manifest import digest

    def before(function, source, held=()):
        sum_ = hashlib.sha256(inspect.getsource(source).encode()).hexdigest()
        return digest(["callable", reference_of(function), list(held), sum_])

    number = 3

    def closed(texts):
        return [[number, 0] for _ in texts]

    assert fingerprint_of(score) == before(score, score)
    assert fingerprint_of(closed) == before(closed, closed, ["3"])
    assert fingerprint_of(Scorer()) == before(Scorer(), Scorer)
    assert fingerprint_of(Model.of_class) == before(Model.of_class, Model.of_class)


def test_arguments_of_a_partial_count():
    seen = [
        fingerprint_of(each)
        for each in (
            score,
            partial(score),
            partial(other),
            partial(score, sign=1),
            partial(score, sign=-1),
            partial(other, sign=1),
            partial(score, weights=np.ones(3)),
            partial(score, weights=np.zeros(3)),
            partial(score, weights=[1.0]),
            partial(score, weights=(1.0,)),
            partial(score, weights={"a": [1, {2}]}),
            partial(partial(score, weights=1), sign=2),
        )
    ]
    assert len(set(seen)) == len(seen)
    assert fingerprint_of(partial(score, sign=1)) == fingerprint_of(partial(score, sign=1))
    assert reference_of(partial(score, sign=1)) == reference_of(score)


def test_the_state_of_a_methods_object_counts():
    one, same, retrained = (Model(np.array([w, 1.0])) for w in (0.5, 0.5, 0.7))
    assert fingerprint_of(one.predict) == fingerprint_of(same.predict) != fingerprint_of(retrained.predict)
    assert fingerprint_of(one) == fingerprint_of(same) != fingerprint_of(retrained)
    assert fingerprint_of(Slotted(1).predict) == fingerprint_of(Slotted(1).predict)
    assert fingerprint_of(Slotted(1).predict) != fingerprint_of(Slotted(2).predict)


def test_nested_state_counts():
    def make(bias):
        layer = torch.nn.Linear(2, 2)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, bias)
        parts = {"layer": layer, "path": Path("a"), "inner": Model(bias), "how": partial(score, sign=bias)}
        return Model([parts, frozenset({"a", "b"}), np.float32(2), score, Model])

    assert fingerprint_of(make(0.0)) == fingerprint_of(make(0.0)) != fingerprint_of(make(1.0))


def test_an_attribute_decides_alone_also_on_a_methods_object():
    pipe = Model(threading.Lock())
    with pytest.raises(TeacherError, match=r"object of type 'lock'.*attribute 'fingerprint'"):
        fingerprint_of(pipe.predict)
    pipe.fingerprint = "weights 7"
    again = Model(threading.Lock(), fingerprint="weights 7")
    assert fingerprint_of(pipe.predict) == fingerprint_of(again.predict)
    again.fingerprint = "weights 8"
    assert fingerprint_of(pipe.predict) != fingerprint_of(again.predict)
    assert fingerprint_of(pipe) != fingerprint_of(again)
    assert fingerprint_of(partial(score, weights=pipe)) != fingerprint_of(partial(score, weights=again))


def cyclic():
    model = Model(1)
    model.itself = model
    return model


@pytest.mark.parametrize(
    "held",
    [
        threading.Lock(),
        iter([1]),
        np.random.default_rng(0),
        np.array([object()], dtype=object),
        Tokenizer(models.WordLevel({"a": 0}, unk_token="a")),  # state that Python cannot see
        torch.zeros(1, dtype=torch.bfloat16),  # numpy has no such type
        cyclic(),
    ],
    ids=lambda held: type(held).__name__,
)
def test_what_cannot_be_seen_reliably_is_refused(held):
    for function in (partial(score, weights=held), Model(held).predict, Model([{"deep": held}])):
        with pytest.raises(TeacherError, match="changes cannot be seen reliably"):
            fingerprint_of(function)
