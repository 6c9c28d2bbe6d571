import sys

import datasets
import pytest
from datasets import ClassLabel, Features, Sequence, Value

from understudy.data import load_dataset
from understudy.data.catalogue import SHARED
from understudy.data.readers.hub import read_hub
from understudy.errors import DataError, MissingExtraError, RecipeError

NAMED = Features(
    {"sentence": Value("string"), "label": ClassLabel(names=["no", "yes"]), "tags": Sequence(Value("string"))}
)


def split(count, start=0, label=None, features=NAMED):
    numbers = range(start, start + count)
    labels = [number % 2 if label is None else label for number in numbers]
    rows = {"sentence": [f"text {n}" for n in numbers], "label": labels, "tags": [["a"] for _ in numbers]}
    return datasets.Dataset.from_dict({name: rows[name] for name in features}, features=features)


@pytest.fixture
def hub(monkeypatch):
    """A hub of one set; records what was asked for."""
    asked, sets = [], datasets.DatasetDict()

    def load(path, config=None):
        asked.append((path, config))
        return sets

    monkeypatch.setattr(datasets, "load_dataset", load)
    return sets, asked


def test_splits_and_names_come_over(hub):
    sets, asked = hub
    sets.update(train=split(10), validation=split(4, 10), test=split(6, 20), unsupervised=split(2, 30, -1))
    data = load_dataset("hub:owner/films:small")
    assert asked == [("owner/films", "small")]
    assert (len(data.train), len(data.dev), len(data.test)) == (10, 4, 6)
    assert data.task.labels == ("no", "yes")
    assert data.name == "films"
    assert data.source == "hub:owner/films:small"
    assert data.train.labels.tolist() == [0, 1] * 5
    assert data.notes == (
        "Read column 'sentence' as text and 'label' as label (guessed; use --text-column / --label-column).",
    )


@pytest.mark.parametrize("named", [True, False])
def test_a_split_without_labels_counts_as_missing(hub, named):
    sets, _ = hub
    features = NAMED if named else Features({"sentence": Value("string"), "label": Value("int64")})
    sets.update(train=split(40, features=features), validation=split(4, 50, features=features))
    sets["test"] = split(6, 60, -1, features=features)
    tables = read_hub("owner/films", label=None if named else "label")
    assert list(tables) == ["train", "dev"]
    data = load_dataset("hub:owner/films")
    assert (len(data.train), len(data.dev), len(data.test)) == (36, 4, 4)


def test_class_order_is_kept_even_against_the_alphabet(hub):
    sets, _ = hub
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["z", "unused", "a"])})
    rows = {"sentence": [f"t {n}" for n in range(12)], "label": [0, 2] * 6}
    sets["train"] = datasets.Dataset.from_dict(rows, features=features)
    data = load_dataset("hub:owner/films")
    assert data.task.labels == ("z", "a")
    assert "Left out labels that no train text has: 'unused'." in data.notes


def test_the_catalogue_falls_back_to_the_hub(hub, monkeypatch, tmp_path):
    sets, asked = hub
    features = Features(
        {"sentence": Value("string"), "label": ClassLabel(names=["unacceptable", "acceptable"])}
    )
    sets.update(train=split(20, features=features), validation=split(4, 30, features=features))
    monkeypatch.setenv(SHARED, str(tmp_path))
    data = load_dataset("cola")
    assert asked == [("nyu-mll/glue", "cola")]
    assert data.task.labels == ("unacceptable", "acceptable")
    assert data.task.metric == "mcc"
    assert "from the hub, hub:nyu-mll/glue:cola" in data.notes[0]


def test_lists_come_over_and_tags_have_names(hub):
    sets, _ = hub
    features = Features(
        {"tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=["B-X", "I-X", "O"]))}
    )
    rows = {"tokens": [[f"w{n}", "x"] for n in range(20)], "ner_tags": [[2, 0]] * 20}
    sets["train"] = datasets.Dataset.from_dict(rows, features=features)
    data = load_dataset("hub:owner/names")
    assert (data.task.kind, data.task.labels) == ("tagging", ("O", "B-X"))
    assert data.train.labels.tolist() == [0, 1] * len(data.train)
    features = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=["z", "a"]))})
    rows = {"text": [f"t {n}" for n in range(20)], "labels": [[0], [0, 1]] * 10}
    sets["train"] = datasets.Dataset.from_dict(rows, features=features)
    data = load_dataset("hub:owner/several")
    assert (data.task.kind, data.task.labels) == ("multilabel", ("z", "a"))


def test_a_set_that_is_reported_on_dev(hub, monkeypatch):
    sets, asked = hub
    monkeypatch.delenv(SHARED, raising=False)
    features = Features(
        {"sentence1": Value("string"), "sentence2": Value("string"), "label": Value("float32")}
    )

    def rows(count, start=0):
        numbers = range(start, start + count)
        table = {"sentence1": [f"a {n}" for n in numbers], "sentence2": [f"b {n}" for n in numbers]}
        return datasets.Dataset.from_dict({**table, "label": [n % 6 for n in numbers]}, features=features)

    sets.update(train=rows(20), validation=rows(6, 30), test=rows(4, 50))
    data = load_dataset("stsb")
    assert asked == [("nyu-mll/glue", "stsb")]
    assert (len(data.train), len(data.dev), len(data.test)) == (18, 2, 6)
    assert data.test.texts[0] == ("a 30", "b 30")
    assert (data.task.kind, data.task.texts, data.task.metric) == ("regression", 2, "pearson")
    assert "reported on its dev set" in data.notes[1]


def test_real_datasets_objects_read_from_files(tmp_path, monkeypatch):
    rows = "".join(f'{{"text": "t {n}", "label": "{"ab"[n % 2]}"}}\n' for n in range(20))
    (tmp_path / "train.jsonl").write_text(rows, encoding="utf-8")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    data = load_dataset(f"hub:{tmp_path}")
    assert sum(map(len, (data.train, data.dev, data.test))) == 20


@pytest.mark.parametrize(
    "error", [ConnectionError("Couldn't reach 'owner/x' on the Hub."), ValueError("no config\nmore")]
)
def test_what_cannot_be_fetched_is_said(monkeypatch, error):
    def fail(path, config=None):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    first_line = str(error).split("\n")[0].rstrip(".")
    with pytest.raises(DataError, match=rf"hub:owner/x:c cannot be fetched: {first_line}\. Check the name"):
        load_dataset("hub:owner/x:c")


def test_a_set_without_train_lists_its_splits(hub):
    hub[0].update(test=split(2), extra=split(2))
    with pytest.raises(DataError, match="no split 'train'; found 'extra', 'test'"):
        load_dataset("hub:owner/x")


def test_an_empty_split_is_said(hub):
    hub[0].update(train=split(0))
    with pytest.raises(DataError, match="split 'train' is empty"):
        load_dataset("hub:owner/x")


def test_the_library_may_be_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"understudy\[train\]"):
        load_dataset("hub:owner/x")


def test_options_of_text_files_are_refused():
    with pytest.raises(RecipeError, match="it is not a text file"):
        load_dataset("hub:owner/x", header=True)
