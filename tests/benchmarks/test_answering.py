"""The contestants of `benchmarks/speed.py`: what is timed gives the answers that it should."""

import importlib.util
import sys
from pathlib import Path

import pytest

from understudy.core.configs import TrainingConfig
from understudy.data import load_dataset
from understudy.export.folder import export
from understudy.training.fit import fit
from understudy.training.transfer_set import TransferSet

FILE = Path(__file__).parents[2] / "benchmarks" / "answering.py"


@pytest.fixture(scope="module")
def answering():
    spec = importlib.util.spec_from_file_location("answering", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["answering"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["answering"]


def test_every_way_to_ask_a_student_gives_the_same_answers(answering, tmp_path):
    found = load_dataset("bundled:concierge")
    parts = (found.train, found.dev, found.test)
    splits = [(list(part.texts)[:400], part.labels[:400]) for part in parts]
    given = answering.Data("bundled:concierge", found.task, *splits)
    lesson = TransferSet(tuple(splits[0][0]), splits[0][1])
    trained = fit("cbow.v1", found.task, lesson, splits[1], seed=0, config=TrainingConfig(epochs=3))
    export(trained.student, tmp_path / "cbow", teacher={}, about={})
    contestants = answering.ours({"cbow": tmp_path / "cbow"}, given)
    texts = splits[2][0][:50]
    answers = {name: rival.many(texts) for name, rival in contestants.items() if name.startswith("cbow")}
    assert len(answers) >= 4
    assert all(answer == answers["cbow, model.predict"] for answer in answers.values())
    for rival in contestants.values():
        assert [rival.one(text) for text in texts] == list(rival.many(texts))
        assert rival.twice is None or list(rival.twice(texts)) == list(rival.many(texts))
