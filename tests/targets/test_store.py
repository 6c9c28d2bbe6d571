import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import StoreError, UnderstudyError
from understudy.targets import shards as shards_module
from understudy.targets import store as logits_module
from understudy.targets.labelling import label, label_stream
from understudy.targets.store import LogitStore, text_keys

LABELS = ("no", "yes")
TEXTS = [f"text {number} " + "x" * (number * 7 % 13) for number in range(25)]


class Stopped(BaseException):
    """Stands for the end of the process."""


class CountingTeacher:
    """Answers by content; the size of the batch shows in the last bits, as with real teachers.

    Args:
        stop: raise instead of answering the call of this number.
    """

    def __init__(self, labels=LABELS, stop=None):
        self.task, self.stop, self.calls = Task(labels), stop, []

    def logits(self, texts):
        if len(self.calls) == self.stop:
            raise Stopped
        self.calls.append(list(texts))
        values = [[len(text), int(hashlib.sha256(text.encode()).hexdigest()[:6], 16)] for text in texts]
        return np.array(values, dtype=np.float32) * np.float32(1 + len(texts) * 1e-6)

    @property
    def shown(self):
        return [text for call in self.calls for text in call]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "logits"


def open_store(folder, teacher="abc", labels=LABELS):
    return LogitStore(folder, teacher=teacher, labels=labels)


def rows(*values):
    return np.array(values, dtype=np.float32)


def damage(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.fixture
def filled(folder):
    """A store of three shards, closed again."""
    store = open_store(folder)
    for start in range(3):
        store.append([f"{start}a", f"{start}b"], rows([start, 1], [start, 2]))
    return folder


def test_what_is_appended_is_found(folder):
    store = open_store(folder)
    store.append(["b", "a"], rows([1, 2], [3, 4]))
    store.append(["c"], rows([5, 6]))
    found = store.look_up(["c", "a", "b"])
    assert (found.dtype, found.tolist()) == (np.float32, [[5, 6], [3, 4], [1, 2]])
    assert len(store) == 3


def test_what_was_closed_is_found_again(filled):
    store = open_store(filled)
    assert len(store) == 6
    assert store.look_up(["2b", "0a"]).tolist() == [[2, 2], [0, 1]]
    store.append(["new"], rows([8, 9]))
    assert open_store(filled).look_up(["new", "1b"]).tolist() == [[8, 9], [1, 2]]


def test_order_and_duplicates_do_not_matter(filled):
    store = open_store(filled)
    found = store.look_up(["1a", "0b", "1a", "1a"])
    assert found.tolist() == [[1, 1], [0, 2], [1, 1], [1, 1]]


def test_texts_are_told_apart_by_their_exact_content(folder):
    store = open_store(folder)
    texts = ["a", "A", "a ", " a", "", "\u00e9", "e\u0301", "\ud83d", "a\x00"]
    store.append(texts, np.arange(2 * len(texts), dtype=np.float32).reshape(-1, 2))
    assert store.look_up(texts)[:, 0].tolist() == [2 * i for i in range(len(texts))]
    assert store.missing(["b", "a", "a  "]) == ["b", "a  "]


def test_keys_are_the_first_128_bits_of_blake2b():
    # They stand in every store on disk, so they never change.
    expected = hashlib.blake2b("é".encode(), digest_size=16).digest()
    keys = text_keys(["x", "é"])
    assert (keys.shape, keys.dtype) == ((2, 2), np.uint64)
    assert keys[1].astype("<u8").tobytes() == expected


def test_nothing_asked_nothing_found(folder):
    store = open_store(folder)
    assert store.look_up([]).shape == (0, 2)
    assert store.missing([]) == []
    assert store.missing(["b", "a", "b"]) == ["b", "a"]
    assert len(store) == 0


def test_missing_texts_are_counted_and_the_first_is_named(filled):
    with pytest.raises(StoreError, match=r"no soft targets for 2 of 3 texts, the first: 'zzz'"):
        open_store(filled).look_up(["0a", "zzz", "yyy"])


def test_another_teacher_is_refused_with_both_fingerprints(filled):
    with pytest.raises(StoreError, match="teacher: the store has abc, this run has xyz") as caught:
        open_store(filled, teacher="xyz")
    assert "labels" not in str(caught.value)


@pytest.mark.parametrize("labels", [("yes", "no"), ("no", "yes", "maybe"), ("no", "Yes")])
def test_other_labels_or_another_order_are_refused(filled, labels):
    with pytest.raises(StoreError, match=r"labels: the store has \['no', 'yes'\], this run has") as caught:
        open_store(filled, labels=labels)
    assert str(list(labels)) in str(caught.value)


def test_all_that_differs_is_said_at_once(filled):
    with pytest.raises(StoreError, match=r"teacher: .*; labels: "):
        open_store(filled, teacher="xyz", labels=("a", "b"))


@pytest.mark.parametrize(
    "logits",
    [
        rows([1, np.nan]),
        rows([np.inf, 1]),
        rows([1, 2, 3]),
        rows([1, 2], [3, 4]),
        rows(1, 2),
        np.array([[1e39, 0.0]]),  # finite, but not in float32
    ],
    ids=["nan", "infinite", "too wide", "too many", "flat", "too large"],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_refuses_logits_that_cannot_be_kept(folder, logits):
    store = open_store(folder)
    with pytest.raises(StoreError, match=r"Expected logits of shape \(1, 2\), but|are not finite in 1 of 1"):
        store.append(["a"], logits)
    assert len(store) == len(open_store(folder)) == 0


@pytest.mark.parametrize("name", ["keys.npy", "logits.npy", "manifest.json"])
def test_a_missing_file_is_named(filled, name):
    (filled / "shard-000001" / name).unlink()
    with pytest.raises(StoreError, match=rf"shard-000001/{name} is missing"):
        open_store(filled)


def test_a_truncated_shard_is_named(filled):
    path = filled / "shard-000002" / "logits.npy"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"shard-000002/logits\.npy was truncated or altered"):
        open_store(filled)


@pytest.mark.parametrize("name", ["keys.npy", "logits.npy"])
def test_an_altered_shard_is_named(filled, name):
    damage(filled / "shard-000000" / name)
    with pytest.raises(StoreError, match=rf"shard-000000/{name} was truncated or altered: its SHA-256"):
        open_store(filled)


def test_what_was_altered_in_secret_is_found_when_the_file_is_touched(filled):
    """The time of the last change is put back, as after a fault of the disk."""
    path = filled / "shard-000000" / "logits.npy"
    before = path.stat()
    damage(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    open_store(filled)
    path.touch()
    with pytest.raises(StoreError, match=r"shard-000000/logits\.npy was truncated or altered"):
        open_store(filled)


@pytest.mark.parametrize("harm", [damage, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_index_is_made_again(filled, harm):
    path = filled / "shard-000001" / "index.npy"
    whole = path.read_bytes()
    harm(path)
    store = open_store(filled)
    assert path.read_bytes() == whole
    assert store.look_up(["1a", "2b"]).tolist() == [[1, 1], [2, 2]]


def test_a_file_is_read_as_a_whole_once(filled, tmp_path, monkeypatch):
    read = []
    original = shards_module.file_digest
    monkeypatch.setattr(shards_module, "file_digest", lambda path: (read.append(path), original(path))[1])
    open_store(filled)
    assert read == []
    copy = tmp_path / "copy"
    shutil.copytree(filled, copy, copy_function=shutil.copyfile)
    open_store(copy)
    assert len(read) == 9  # three files of three shards
    (copy / "shard-000000" / "keys.npy").touch()
    open_store(copy)
    assert len(read) == 10
    open_store(copy)
    assert len(read) == 10
    (copy / "checked.json").write_text("{")
    assert len(open_store(copy)) == 6


def test_an_older_format_is_refused(filled):
    path = filled / "manifest.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({"teacher": "abc", "labels": list(LABELS), "shards": facts["shards"]}))
    with pytest.raises(StoreError, match="has the format 1, but this version reads 2"):
        open_store(filled)


def test_small_shards_are_merged(folder):
    store, rng = open_store(folder), np.random.default_rng(0)
    values = rng.normal(size=(300, 2)).astype(np.float32)
    texts = [f"text {number}" for number in range(300)]
    for start in range(0, 300, 3):
        store.append(texts[start : start + 3], values[start : start + 3])
        shards = [path.name for path in folder.glob("*shard-*")]
        named = json.loads((folder / "manifest.json").read_text())["shards"]
        assert sorted(shards) == sorted(shard["folder"] for shard in named)
        assert len(shards) <= 15
    assert [shard["texts"] for shard in named] == [192, 24, 24, 24, 24, 3, 3, 3, 3]
    for each in (store, open_store(folder)):
        np.testing.assert_array_equal(each.look_up(texts[::-1]), values[::-1])
        assert each.missing([*texts, "other"]) == ["other"]


def test_only_our_own_folders_are_tidied_away(folder):
    open_store(folder).append(["a"], rows([0, 1]))
    left = ["shard-000007", ".shard-000008.understudy-new", ".shard-000000.old"]
    others = ["shard-000000.bak", "shard-1", "my-shard-000001", "shard-000000 copy", ".shard-000000.bak"]
    for name in (*left, *others):
        (folder / name).mkdir()
    open_store(folder).append(["b"], rows([1, 0]))
    expected = {"shard-000000", "shard-000001", *others}
    assert {path.name for path in folder.iterdir() if path.is_dir()} == expected


def test_a_kill_while_merging_loses_nothing(folder, monkeypatch):
    def fail(*_):
        raise Stopped

    store = open_store(folder)
    for number in range(7):
        store.append([f"text {number}"], rows([number, 0]))
    monkeypatch.setattr(logits_module, "merge_shards", fail)
    with pytest.raises(Stopped):
        store.append(["text 7"], rows([7, 0]))
    monkeypatch.undo()
    again = open_store(folder)
    (folder / ".shard-000008.new").mkdir()
    assert len(again) == 8
    again.append(["text 8"], rows([8, 0]))
    assert again.look_up(["text 7", "text 8"])[:, 0].tolist() == [7, 8]
    assert len(list(folder.glob("*shard-*"))) == 1


def test_rows_of_sentences_survive_merging(folder):
    store = open_store(folder)
    sentences = [tuple("abcdefg"[:length]) for length in (3, 1, 0, 7, 1, 1, 2, 4, 5)]
    for number, words in enumerate(sentences):
        values = np.array([[number, place] for place in range(len(words))], dtype=np.float32).reshape(-1, 2)
        store.append([(*words, str(number))], np.vstack([values, [[number, 99]]]), np.array([len(words) + 1]))
    asked = [(*words, str(number)) for number, words in enumerate(sentences)][::-1]
    expected = [[8 - n, p] for n, item in enumerate(asked) for p in [*range(len(item) - 1), 99]]
    for each in (store, open_store(folder)):
        assert each.look_up(asked).tolist() == expected


def test_nothing_appended_is_no_shard(folder):
    store = open_store(folder)
    store.append([], np.zeros((0, 2), dtype=np.float32))
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


def test_large_batches_are_looked_up_in_chunks(filled, monkeypatch):
    sizes = []
    original = logits_module.text_keys
    monkeypatch.setattr(logits_module, "CHUNK", 4)
    monkeypatch.setattr(
        logits_module, "text_keys", lambda texts: (sizes.append(len(texts)), original(texts))[1]
    )
    store, texts = open_store(filled), ["0a", "1b", "2a", "2b", "1a", "0b"]
    assert store.look_up(texts).tolist() == [[0, 1], [1, 2], [2, 1], [2, 2], [1, 1], [0, 2]]
    assert store.missing(text for text in [*texts, "x", "y", "x"]) == ["x", "y"]
    assert max(sizes) == 4


def test_a_stream_is_labelled_block_by_block(folder):
    teacher, store = CountingTeacher(), open_store(folder)
    done = label_stream(teacher, iter([*TEXTS, *TEXTS]), store, block_texts=10, shard_texts=4)
    assert sorted(teacher.shown) == sorted(TEXTS)
    assert [len(call) for call in teacher.calls[:6]] == [4, 4, 2, 4, 4, 2]
    assert (done.labelled, done.reused) == (25, 25)
    again = label_stream(CountingTeacher(stop=0), iter(TEXTS), store, block_texts=7)
    assert (again.labelled, again.reused) == (0, 25)


def test_a_stream_of_another_teacher_is_refused(folder):
    with pytest.raises(StoreError, match="yes"):
        label_stream(CountingTeacher(labels=("yes", "no")), TEXTS, open_store(folder))


@pytest.mark.parametrize("content", ["{", "[]", '{"teacher": "abc", "labels": ["no", "yes"]}'])
def test_a_damaged_manifest_is_named(filled, content):
    (filled / "manifest.json").write_text(content)
    with pytest.raises(UnderstudyError, match="logits"):
        open_store(filled)


@pytest.mark.parametrize(
    "harm", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["deleted", "emptied"]
)
def test_a_lost_manifest_says_what_to_remove_and_nothing_is_deleted(filled, harm):
    """The store once began anew without a word, and deleted the shards with its first new one."""
    before = sorted(path.name for path in filled.glob("shard-*"))
    harm(filled / "manifest.json")
    with pytest.raises(StoreError, match=rf"remove the folder {filled}: its texts are then labelled again"):
        open_store(filled)
    assert sorted(path.name for path in filled.glob("shard-*")) == before
    shutil.rmtree(filled)
    assert len(open_store(filled)) == 0


def test_a_lost_manifest_beside_a_ledger_keeps_what_was_paid_for(filled):
    (filled / "ledger.jsonl").write_text("", encoding="utf-8")
    (filled / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"remove every folder shard-\* .* keep ledger\.jsonl"):
        open_store(filled)


@pytest.mark.parametrize(
    "shard",
    [
        3,
        {},
        {"folder": 7, "stamps": {}},
        {"folder": "../shard-000000", "stamps": {}},
        {"folder": "shard-000000"},
        {"folder": "shard-000000", "stamps": ["x"]},
        {"folder": "shard-000000", "stamps": {"keys.npy": "x"}},
    ],
)
def test_an_odd_shard_of_a_manifest_is_refused(filled, shard):
    path = filled / "manifest.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**facts, "shards": [*facts["shards"], shard]}), encoding="utf-8")
    with pytest.raises(StoreError, match=r"manifest\.json is damaged: it lists a shard that cannot be one"):
        open_store(filled)


@pytest.mark.parametrize("content", ["[]", "3", '{"shard-000000": 3}', "{"])
def test_odd_stamps_only_cost_time(filled, content):
    (filled / "checked.json").write_text(content, encoding="utf-8")
    assert open_store(filled).look_up(["1a"]).tolist() == [[1, 1]]


@pytest.mark.parametrize("name", ["keys.npy", "logits.npy"])
def test_an_altered_header_of_the_same_length_and_time_is_told(filled, name):
    path = filled / "shard-000000" / name
    before, data = path.stat(), bytearray(path.read_bytes())
    data[10:20] = b"?" * 10
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StoreError, match="shard-000000 is damaged"):
        open_store(filled)


def test_the_text_whose_logits_are_not_finite_is_named(folder):
    with pytest.raises(StoreError, match=r"not finite in 2 of 4 rows, the first for 'b \| c': \[nan, 1\.0\]"):
        open_store(folder).append(
            [("a",), ("b", "c"), ("d",)],
            rows([1, 2], [np.nan, 1], [1, 2], [np.inf, 1]),
            np.array([1, 2, 1]),
        )


def craft_keys(monkeypatch, keys):
    """Give texts the keys of a table instead of their hashes."""
    table = {text: np.array(key, dtype=np.uint64) for text, key in keys.items()}
    monkeypatch.setattr(
        logits_module, "text_keys", lambda texts: np.array([table[t] for t in texts]).reshape(-1, 2)
    )


def test_texts_whose_first_64_bits_collide_are_told_apart(folder, monkeypatch):
    largest = 2**64 - 1
    stored = {"a": (7, 1), "b": (7, 5), "c": (7, 3), "low": (0, 0), "top": (largest, 2), "tip": (largest, 9)}
    absent = {"d": (7, 4), "e": (7, 0), "f": (7, 9), "g": (8, 1), "h": (largest, 5), "i": (largest, largest)}
    craft_keys(monkeypatch, stored | absent)
    store = open_store(folder)
    for number, text in enumerate(stored):
        store.append([text], rows([number, -number]))
    assert store.look_up(list(stored))[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert store.missing([*absent, *stored]) == list(absent)


def test_many_keys_are_looked_up_as_a_dictionary_does(folder, monkeypatch):
    generator = np.random.default_rng(0)
    keys = {f"t{i}": tuple(generator.integers(0, 6, 2).tolist()) for i in range(200)}
    craft_keys(monkeypatch, keys)
    first = {key: text for text, key in reversed(keys.items())}
    stored = [text for text in first.values() if int(text[1:]) % 2]
    store = open_store(folder)
    store.append(stored, np.arange(2 * len(stored), dtype=np.float32).reshape(-1, 2))
    known = {keys[text]: 2.0 * row for row, text in enumerate(stored)}
    for text, key in keys.items():
        if key in known:
            assert store.look_up([text])[0, 0] == known[key]
        else:
            assert store.missing([text]) == [text]


def test_the_teacher_sees_every_distinct_text_once(folder):
    teacher, store = CountingTeacher(), open_store(folder)
    done = label(teacher, [*TEXTS, *TEXTS[::-1], TEXTS[0]], store, shard_texts=4)
    assert sorted(teacher.shown) == sorted(TEXTS)
    assert (done.labelled, done.reused) == (25, 0)
    assert done.seconds > 0
    assert [len(call) for call in teacher.calls] == [4] * 6 + [1]
    assert [len(text) for text in teacher.shown] == sorted(map(len, TEXTS))  # like beside like


def test_labelled_texts_have_the_teachers_logits(folder):
    teacher, store = CountingTeacher(), open_store(folder)
    label(teacher, TEXTS, store, shard_texts=4)
    for call in teacher.calls:
        expected = CountingTeacher().logits(call)
        # exact: this teacher multiplies no matrices, and the store keeps float32 as it is
        np.testing.assert_array_equal(store.look_up(call), expected)


def test_a_second_call_shows_the_teacher_nothing(folder):
    label(CountingTeacher(), TEXTS, open_store(folder), shard_texts=4)
    teacher = CountingTeacher(stop=0)
    done = label(teacher, TEXTS, open_store(folder), shard_texts=9)
    assert (done.labelled, done.reused, teacher.calls) == (0, 25, [])


def test_new_texts_alone_are_shown(folder):
    label(CountingTeacher(), TEXTS[:20], open_store(folder))
    teacher = CountingTeacher()
    done = label(teacher, TEXTS, open_store(folder))
    assert sorted(teacher.shown) == sorted(TEXTS[20:])
    assert (done.labelled, done.reused) == (5, 20)


def test_a_teacher_with_labels_in_another_order_is_refused(folder):
    teacher, store = CountingTeacher(labels=("yes", "no")), open_store(folder)
    with pytest.raises(UnderstudyError, match="yes"):
        label(teacher, TEXTS, store)
    assert (len(store), teacher.calls) == (0, [])


def test_nothing_to_label(folder):
    done = label(CountingTeacher(stop=0), [], open_store(folder))
    assert (done.labelled, done.reused) == (0, 0)


def test_the_audience_counts_texts(folder):
    class Listener(Silent):
        def bar(self, what, total, unit):
            heard.append((what, total, unit))
            return super().bar(what, total, unit)

    heard = []
    label(CountingTeacher(), TEXTS, open_store(folder), progress=Listener())
    assert heard == [("labelling", 25, "texts")]


@pytest.mark.parametrize("stop", [0, 1, 3, 6])
def test_an_interrupted_labelling_resumes_bit_for_bit(tmp_path, stop):
    whole = open_store(tmp_path / "whole")
    label(CountingTeacher(), TEXTS, whole, shard_texts=4)
    with pytest.raises(Stopped):
        label(CountingTeacher(stop=stop), TEXTS, open_store(tmp_path / "part"), shard_texts=4)
    resumed, teacher = open_store(tmp_path / "part"), CountingTeacher()
    assert len(resumed) == 4 * stop  # the shard that was interrupted is lost, and nothing else
    done = label(teacher, TEXTS[::-1], resumed, shard_texts=4)
    assert (done.labelled, done.reused, len(teacher.shown)) == (25 - 4 * stop, 4 * stop, 25 - 4 * stop)
    np.testing.assert_array_equal(resumed.look_up(TEXTS), whole.look_up(TEXTS))
    np.testing.assert_array_equal(open_store(tmp_path / "part").look_up(TEXTS), whole.look_up(TEXTS))


def test_a_stop_between_shard_and_manifest_loses_that_shard_alone(filled, monkeypatch):
    def fail(*_):
        raise Stopped

    store = open_store(filled)
    monkeypatch.setattr(logits_module, "write_json", fail)
    with pytest.raises(Stopped):
        store.append(["new"], rows([8, 9]))
    monkeypatch.undo()
    again = open_store(filled)
    assert len(again) == 6
    again.append(["newer"], rows([1, 0]))
    assert open_store(filled).missing(["new", "newer", "2b"]) == ["new"]


SCRIPT = """
import os, signal, sys
from pathlib import Path
import numpy as np
from understudy.targets.labelling import label
from understudy.targets.store import LogitStore
from understudy.core.task import Task

class Teacher:
    task = Task(("no", "yes"))
    calls = 0

    def logits(self, texts):
        self.calls += 1
        if self.calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.array([[len(t), len(texts)] for t in texts], dtype=np.float32)

store = LogitStore(Path(sys.argv[1]), teacher="abc", labels=("no", "yes"))
label(Teacher(), [f"text {i}" for i in range(10)], store, shard_texts=3)
"""


def test_a_kill_while_labelling_loses_one_shard_at_most(folder):
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    store, teacher = open_store(folder), CountingTeacher()
    assert len(store) == 6
    texts = [f"text {i}" for i in range(10)]
    done = label(teacher, texts, store, shard_texts=3)
    assert (done.labelled, done.reused) == (4, 6)
    assert teacher.shown == texts[6:]
    assert store.look_up(texts[:6]).tolist() == [[6, 3]] * 6
    named = json.loads((folder / "manifest.json").read_text())["shards"]
    assert [shard["texts"] for shard in named] == [3, 3, 3, 1]
