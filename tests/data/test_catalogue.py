import pytest

from understudy.data import load_dataset
from understudy.data.catalogue import CATALOGUE, SHARED
from understudy.task import KINDS, METRICS


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_entries_are_whole(name):
    entry = CATALOGUE[name]
    assert entry.kind in KINDS
    assert entry.metric in METRICS[entry.kind]
    assert {entry.layout.text, entry.layout.label} <= set(entry.layout.columns)
    assert set(entry.layout.files) == {"train", "dev", "test"}
    assert "/" in entry.hub
    assert len(set(entry.labels.values())) >= 2


@pytest.mark.parametrize(
    ("name", "rows", "dropped", "labels", "metric"),
    [
        ("sst2", (6920, 872, 1821), (3, 0, 0), ("negative", "positive"), "accuracy"),
        (
            "emotion",
            (16000, 2000, 2000),
            (11, 5, 3),
            ("sadness", "joy", "love", "anger", "fear", "surprise"),
            "accuracy",
        ),
        ("cola", (8551, 527, 516), (12, 6, 1), ("unacceptable", "acceptable"), "mcc"),
    ],
)
def test_public_sets_are_read_exactly(shared_data, monkeypatch, name, rows, dropped, labels, metric):
    monkeypatch.setenv(SHARED, str(shared_data(name).parent))
    data = load_dataset(name)
    in_test, in_dev, dev_in_test = dropped
    assert (len(data.train), len(data.dev), len(data.test)) == (
        rows[0] - in_test - in_dev,
        rows[1] - dev_in_test,
        rows[2],
    )
    reasons = ("train texts also in test", "train texts also in dev", "dev texts also in test")
    assert data.dropped == {reason: count for reason, count in zip(reasons, dropped, strict=True) if count}
    assert data.task.labels == labels
    assert data.task.metric == metric
    assert data.name == name
    assert data.notes[0].startswith(f"Read '{name}' from local files")
    assert all("\t" not in text and not text.endswith("\n") for text in data.train.texts)


def test_the_phrases_are_a_pool_and_loading_is_fast(shared_data, monkeypatch):
    from time import perf_counter

    phrases = shared_data("sst2_phrases") / "train.tsv"
    monkeypatch.setenv(SHARED, str(shared_data("sst2").parent))
    start = perf_counter()
    data = load_dataset("sst2", unlabelled=phrases)
    assert perf_counter() - start < 2
    assert len(data.unlabelled) == len(set(data.unlabelled)) > 66_000
    assert not any("\t" in text or text in ("0", "1", "sentence") for text in data.unlabelled)


def test_quoted_line_ends_in_a_public_csv(shared_data):
    data = load_dataset(shared_data("indonlu") / "emot_emotion-twitter" / "train_preprocess.csv")
    assert sum(map(len, (data.train, data.dev, data.test))) == 3521
    assert len(data.task.labels) == 5
