import json

import numpy as np
import pytest

from understudy.augment import PoolTexts, read_steps, stream_pool
from understudy.core.configs import TrainingConfig
from understudy.core.manifest import verify
from understudy.core.task import Task
from understudy.errors import ArtifactError, DataError, StoreError
from understudy.targets.labelling import label_stream
from understudy.targets.store import LogitStore
from understudy.training import streamed_set as module
from understudy.training.fit import fit
from understudy.training.streamed_set import with_streamed_targets
from understudy.training.transfer_set import with_soft_targets

pytestmark = pytest.mark.usefixtures("a_checkpoint_every_epoch")

TASK = Task(("bad", "good"))
WORDS = [
    "the",
    "room",
    "was",
    "good",
    "bad",
    "clean",
    "cold",
    "warm",
    "and",
    "very",
    "not",
    "so",
    "bright",
    "dark",
    "staff",
    "kind",
]
TEXTS = [" ".join(np.random.default_rng(n).choice(WORDS, 3 + n % 5)) for n in range(60)]
LABELLED = ("a good room", "a bad room", "good staff", "very cold", "")
GOLD = np.array([1, 0, 1, 0, 0])
SMALL = TrainingConfig(epochs=3, batch_size=8)


class Teacher:
    def __init__(self, task=TASK):
        self.task = task

    def logits(self, items):
        rows = [
            f"{item}{row}" for item, n in zip(items, self.task.rows(items), strict=True) for row in range(n)
        ]
        found = [[text.count("bad") + text.count("o"), text.count("good") + len(text) % 7] for text in rows]
        return np.array(found, dtype=np.float32).reshape(-1, 2)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 16)


@pytest.fixture
def pool(tmp_path):
    stream_pool(TEXTS, read_steps([{"masking": {"passes": 2}}]), tmp_path / "pool", source="s")
    return PoolTexts(tmp_path / "pool")


def stored(tmp_path, *items, task=TASK):
    store = LogitStore(tmp_path / "store", teacher="t", labels=task.labels)
    for each in items:
        label_stream(Teacher(task), each, store, block_texts=20)
    return store


@pytest.fixture
def store(tmp_path, pool):
    return stored(tmp_path, LABELLED, pool)


def weights(trained):
    return {name: value.numpy() for name, value in trained.student.module.state_dict().items()}


def train(transfer, name="cbow.v1", task=TASK, dev=(LABELLED, GOLD)):
    return fit(name, task, transfer, dev, seed=3, config=SMALL)


def same(one, other):
    vocabularies = one.student.vocabulary, other.student.vocabulary
    assert len(vocabularies[0]) == len(vocabularies[1])
    for left, right in zip(*(each.encode_batch(TEXTS) for each in vocabularies), strict=True):
        np.testing.assert_array_equal(left, right)
    for name, value in weights(one).items():
        np.testing.assert_array_equal(value, weights(other)[name])


def test_a_pool_is_read_anew_at_each_pass(pool):
    assert list(pool) == list(pool)
    assert len(list(pool)) == len(pool) == len(set(pool)) > len(TEXTS)
    assert set(TEXTS) < set(pool)


@pytest.mark.parametrize("name", ["cbow.v1", "kim-cnn.v1", "linear.v1:longest=3", "dan.v2"])
def test_a_streamed_set_trains_the_same_student_to_the_bit(tmp_path, pool, store, name):
    streamed = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    held = with_soft_targets(TASK, LABELLED, GOLD, tuple(pool), store)
    np.testing.assert_array_equal(streamed.soft, held.soft)
    np.testing.assert_array_equal(streamed.gold, held.gold)
    assert (len(streamed), streamed.rows(TASK)) == (len(held), len(held))
    same(train(streamed, name), train(held, name))


def test_what_is_large_is_mapped_and_small_on_disk(tmp_path, pool, store):
    streamed = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    inputs = streamed.inputs(train(streamed).student)
    side = inputs.encoded.sides[0]
    for array in (streamed.soft, streamed.gold, side.ids, side.lengths):
        assert isinstance(array, np.memmap)
    assert (side.ids.dtype, side.lengths.dtype) == (np.int32, np.int32)
    assert inputs.encoded.counts.strides == (0,)
    assert inputs.sides[0].ids.data_ptr() == side.ids.ctypes.data  # no copy
    (batch,) = inputs.batch(np.array([3, 0]))
    assert batch.ids.dtype == batch.lengths.dtype
    for folder in (tmp_path / "cache").iterdir():
        verify(folder)


def test_nothing_is_done_twice(tmp_path, pool, store, monkeypatch):
    streamed = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    first = train(streamed)
    monkeypatch.setattr(module, "encode", lambda *_: pytest.fail("tokenised again"))
    monkeypatch.setattr(LogitStore, "look_up", lambda *_: pytest.fail("looked up again"))
    again = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    same(train(again), first)


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_behind_its_last_block(tmp_path, pool, store, monkeypatch):
    whole = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "whole")
    original, calls = LogitStore.look_up, []

    def dying(self, texts):
        calls.append(texts)
        if len(calls) == 4:
            raise KilledError
        return original(self, texts)

    monkeypatch.setattr(LogitStore, "look_up", dying)
    with pytest.raises(KilledError):
        with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    again = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    assert calls[4] == calls[3] != calls[0]
    np.testing.assert_array_equal(again.soft, whole.soft)
    np.testing.assert_array_equal(again.gold, whole.gold)


def test_another_vocabulary_is_tokenised_anew(tmp_path, pool, store):
    streamed = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    train(streamed)
    fit("cbow.v1:vocabulary_size=12", TASK, streamed, (LABELLED, GOLD), seed=3, config=SMALL)
    assert len(list((tmp_path / "cache").glob("ids-*"))) == 2


def test_other_n_grams_of_the_same_words_are_tokenised_anew(tmp_path, pool, store):
    streamed = with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")

    def tokenised(name):
        train(streamed, name)
        return len(list((tmp_path / "cache").glob("ids-*")))

    # dan.v2 and linear.v1 have the same words here, and with the same n-grams they share the ids
    assert [tokenised(f"linear.v1:{sizes}") for sizes in ("longest=1", "longest=2", "longest=3")] == [1, 2, 3]
    assert tokenised("linear.v1:longest=2,ngrams=5") == 4
    assert tokenised("dan.v2:longest=2") == 4
    assert tokenised("dan.v2:longest=2,characters=true") == 5
    assert tokenised("linear.v1:longest=2,characters=true,parts=3") == 6


@pytest.mark.parametrize(
    "name", ["cbow.v1:pair=diffcat", "cbow.v1:pair=joint", "dan.v2:pair=compare", "linear.v1:pair=joint"]
)
def test_pairs_train_the_same_student(tmp_path, name):
    task = Task(("no", "yes"), kind="pair")
    pairs = list(zip(TEXTS[:30], TEXTS[30:], strict=True))
    stream_pool(pairs, (), tmp_path / "pool", source="p")
    pool, labelled = PoolTexts(tmp_path / "pool"), pairs[:4]
    assert set(pool) == set(pairs)
    store = stored(tmp_path, pool, task=task)
    gold = np.array([0, 1, 1, 0])
    streamed = with_streamed_targets(task, labelled, gold, pool, store, folder=tmp_path / "cache")
    held = with_soft_targets(task, labelled, gold, tuple(pool), store)
    same(*(train(transfer, name, task, (labelled, gold)) for transfer in (streamed, held)))


@pytest.mark.parametrize("name", ["bilstm.v1", "bilstm.v1:spelling=true"])
def test_tagged_sentences_train_the_same_student(tmp_path, name):
    task = Task(("O", "B-X"), kind="tagging")
    sentences = [tuple(text.split()) for text in dict.fromkeys(TEXTS)]
    stream_pool([], (), tmp_path / "pool", source="none")
    store = stored(tmp_path, sentences, task=task)
    gold = np.arange(sum(map(len, sentences))) % 2
    pool = PoolTexts(tmp_path / "pool")
    streamed = with_streamed_targets(task, sentences, gold, pool, store, folder=tmp_path / "cache")
    held = with_soft_targets(task, sentences, gold, (), store)
    same(*(train(transfer, name, task, (sentences, gold)) for transfer in (streamed, held)))


def test_a_text_that_was_never_labelled_is_named(tmp_path, pool, store):
    with pytest.raises(StoreError, match="no soft targets for 1 of 1 texts, the first: 'new'"):
        with_streamed_targets(TASK, ["new"], GOLD[:1], pool, store, folder=tmp_path / "cache")


def test_no_text_is_refused(tmp_path, store):
    stream_pool([], (), tmp_path / "none", source="none")
    with pytest.raises(DataError, match="empty"):
        with_streamed_targets(
            TASK, [], GOLD[:0], PoolTexts(tmp_path / "none"), store, folder=tmp_path / "cache"
        )


def test_a_pool_that_was_not_finished_is_refused(tmp_path, pool):
    (pool.folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="not finished"):
        len(pool)


def test_gold_labels_are_counted(tmp_path, pool, store):
    with pytest.raises(DataError, match="4 gold labels"):
        with_streamed_targets(TASK, LABELLED, GOLD[:4], pool, store, folder=tmp_path / "cache")


def test_the_manifest_says_what_is_there(tmp_path, pool, store):
    with_streamed_targets(TASK, LABELLED, GOLD, pool, store, folder=tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    facts = json.loads((folder / "manifest.json").read_text())
    rows = len(LABELLED) + len(pool)
    assert facts["columns"] == {"gold": ["<i8", [], rows], "soft": ["<f4", [2], rows]}
