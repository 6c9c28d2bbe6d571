"""What every student that can read spelling keeps to when it does; `test_student_contract.py` has more."""

import numpy as np
import pytest
import torch

from understudy.core.configs import DEFAULT_STUDENTS, TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.export.folder import export
from understudy.runtime import load
from understudy.students import STUDENTS, build, rebuild, spec
from understudy.students.layers.spelling import HIDDEN_WORDS, SpellingLayer
from understudy.students.registry import describe, parse
from understudy.tokenization.words import UNK_ID
from understudy.training.fit import fit
from understudy.training.torch_student import load_trained, save_trained
from understudy.training.transfer_set import TransferSet

SIZE = 60
SPELLED = [f"{name}:spelling=true" for name in sorted(STUDENTS) if "spelling" in spec(name).sizes]
TAGS = Task(("NOUN", "VERB", "X"), "tagging", metric="accuracy")
SENTENCES = [("The", "E-mail", "walked"), ("unheard",), (), ("The", "the", "THE", "1,250")]

pytestmark = pytest.mark.parametrize("name", SPELLED)


def tagged_examples(n=24):
    """Sentences of words that each stand once: only their last letters say what their tags are."""
    drawn = np.random.default_rng(0).permutation(26**3)[: 3 * n].tolist()
    stems = ["".join(chr(97 + number // 26**power % 26) for power in range(3)) for number in drawn]
    ends, gold = ("s", "ed", "ly"), np.random.default_rng(1).integers(0, 3, 3 * n)
    words = [f"{stem}{ends[tag]}" for stem, tag in zip(stems, gold.tolist(), strict=True)]
    return tuple(tuple(words[3 * row : 3 * row + 3]) for row in range(n)), gold


@pytest.fixture(scope="module")
def spelled_students(smaller):
    """Each student, trained on two thirds of the examples; it has not seen the words of the others."""
    done = {}

    def get(name):
        if name not in done:
            texts, gold = tagged_examples()
            config = TrainingConfig(batch_size=4, epochs=20, learning_rate=1e-2, vocabulary_size=10)
            transfer, dev = TransferSet(texts[:16], gold[:48]), (texts[16:], gold[48:])
            sizes = {**smaller(name), "spelling_size": 300}
            done[name] = fit(name, TAGS, transfer, dev, seed=0, config=config, **sizes)
        return done[name]

    return get


def test_the_spelling_of_unknown_words_decides(name, spelled_students):
    texts, gold = tagged_examples()
    logits = spelled_students(name).student.logits(texts[16:])
    assert (logits.argmax(axis=1) == gold[48:]).mean() > 0.9


def test_students_that_read_spelling_are_saved_and_exported(name, spelled_students, tmp_path):
    done = spelled_students(name)
    save_trained(done, tmp_path / "trained", {})
    loaded = load_trained(tmp_path / "trained").student
    export(done.student, tmp_path / "exported", teacher={}, about={})

    expected = done.student.logits(SENTENCES)
    assert expected.shape == (8, 3)
    # the same numbers from other memory and by another runtime: sums differ in the last bits
    np.testing.assert_allclose(loaded.logits(SENTENCES), expected, atol=1e-6)
    np.testing.assert_allclose(load(tmp_path / "exported").logits(SENTENCES), expected, atol=1e-4)
    assert loaded.spelling.known == done.student.spelling.known


def test_spelling_is_refused_where_no_words_are_tagged(name):
    with pytest.raises(RecipeError, match="spelling is read of the words of a sentence that is tagged"):
        build(name, 2, seed=0, vocabulary_size=SIZE)


def test_an_older_config_reads_no_spelling(name):
    student = name.partition(":")[0]
    facts = describe(student, build(student, 2, seed=0, form="tokens", vocabulary_size=SIZE))
    older = {key: value for key, value in facts["config"].items() if not key.startswith("spelling")}
    module = rebuild(student, older, 2, "tokens")
    assert not module.is_spelled
    assert not [key for key in module.state_dict() if "spelling" in key]


def test_words_are_hidden_in_training_alone(name, smaller, spelled_batch_of):
    module = build(name, 3, seed=0, form="tokens", vocabulary_size=SIZE, **smaller(name))
    layer = next(part for part in module.modules() if isinstance(part, SpellingLayer))
    batch = spelled_batch_of((2000,), SIZE)
    assert layer.eval().hide(batch) is batch

    torch.manual_seed(0)
    hidden = layer.train().hide(batch)
    is_hidden = hidden.ids == UNK_ID
    assert torch.equal(hidden.ids[~is_hidden], batch.ids[~is_hidden])
    assert hidden.spelling is batch.spelling
    share = is_hidden.float().mean().item()
    assert abs(share - HIDDEN_WORDS) < 4 * (HIDDEN_WORDS / 2000) ** 0.5


def test_the_default_of_tagging_is_one_of_them(name):
    sizes = {**parse(name).sizes, **parse(DEFAULT_STUDENTS["tagging"][0]).sizes}
    assert sizes["spelling"] is True
    assert spec(DEFAULT_STUDENTS["tagging"][0]).refusal("tagging", sizes) == ""
