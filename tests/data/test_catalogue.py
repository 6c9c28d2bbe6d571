import pytest

from understudy.core import items
from understudy.core.task import KINDS, METRICS
from understudy.data import load_dataset
from understudy.data.catalogue import CATALOGUE, SHARED

GO_EMOTIONS = tuple(CATALOGUE["goemotions"].labels.values())
UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT",
        "SCONJ", "SYM", "VERB", "X")  # fmt: skip

NAMED_BY_THE_DATA = {"hwu64"}
"""Sets whose files hold the names of their labels, so that the catalogue has none."""


def bio(*types):
    return ("O", *(f"{prefix}-{name}" for name in types for prefix in "BI"))


def use(shared_data, monkeypatch, name):
    """Let the catalogue find the public data; the test is skipped where the set is absent."""
    folder = shared_data(CATALOGUE[name].folder or name)
    root = next(parent for parent in folder.parents if parent / (CATALOGUE[name].folder or name) == folder)
    monkeypatch.setenv(SHARED, str(root))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_entries_are_whole(name):
    entry = CATALOGUE[name]
    assert entry.kind in KINDS
    assert entry.metric in METRICS[entry.kind]
    layout = entry.layout
    texts = (layout.text,) if isinstance(layout.text, str) else layout.text
    assert {*texts, layout.label} <= set(layout.columns) or (not layout.columns and layout.header)
    assert len(texts) == (1 if isinstance(entry.text, str) else 2)
    assert {"train", "test"} <= set(layout.files) <= {"train", "dev", "test"}
    assert set(layout.rows) <= set(layout.files)
    assert "/" in entry.hub
    is_on_dev = "dev" not in layout.files
    assert is_on_dev == (entry.hub_splits is not None) == bool(entry.note)
    if entry.kind in ("regression", "tagging") or name in NAMED_BY_THE_DATA:
        assert not entry.labels
    else:
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
        ("emot", (3521, 440, 440), (1, 3, 1), ("sadness", "anger", "love", "fear", "happy"), "macro_f1"),
        ("goemotions", (43410, 5426, 5427), (99, 59, 12), GO_EMOTIONS, "macro_f1"),
        ("nergrit", (1672, 209, 209), (0, 0, 0), bio("ORGANISATION", "PERSON", "PLACE"), "span_f1"),
        ("terma", (3000, 1000, 1000), (35, 19, 7), bio("ASPECT", "SENTIMENT"), "span_f1"),
        ("ud-ewt", (12544, 2001, 2077), (294, 88, 87), UPOS, "accuracy"),
    ],
)
def test_public_sets_are_read_exactly(shared_data, monkeypatch, name, rows, dropped, labels, metric):
    use(shared_data, monkeypatch, name)
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
    parts = items.parts(data.train.texts)
    assert all("\t" not in part and not part.endswith("\n") for part in parts)
    assert len(data.train.labels) == data.task.rows(data.train.texts).sum()


def test_a_set_may_name_its_labels_itself(shared_data, monkeypatch):
    use(shared_data, monkeypatch, "hwu64")
    data = load_dataset("hwu64")
    assert (len(data.train), len(data.dev), len(data.test)) == (8954, 1076, 1076)
    assert data.dropped == {}
    assert len(data.task.labels) == 64
    assert data.task.labels[::21] == ("alarm_query", "general_joke", "play_audiobook", "weather_query")
    assert data.notes == (f"Read 'hwu64' from local files, in the folder that {SHARED} names.",)


@pytest.mark.parametrize(
    ("name", "sizes", "dropped", "labels"),
    [
        ("rte", (2490, 277), 0, ("entailment", "not_entailment")),
        ("mrpc", (3667, 408), 0, ("not_equivalent", "equivalent")),
        ("wnli", (635, 71), 0, ("not_entailment", "entailment")),
        ("stsb", (5749, 1500), 11, ("score",)),
    ],
)
def test_pairs_are_reported_on_their_dev_set(shared_data, monkeypatch, name, sizes, dropped, labels):
    use(shared_data, monkeypatch, name)
    data = load_dataset(name)
    assert (len(data.train) + len(data.dev), len(data.test)) == (sizes[0] - dropped, sizes[1])
    assert abs(len(data.dev) - (sizes[0] - dropped) / 10) < 2
    assert data.dropped == ({"train texts also in test": dropped} if dropped else {})
    assert data.task.labels == labels
    assert data.task.texts == 2
    assert all(len(pair) == 2 for pair in data.train.texts)
    assert "it is the test split here; dev is split off train" in data.notes[1]
    assert "off train.tsv: at random" in data.notes[2]


def test_similarities_have_21_bins(shared_data, monkeypatch):
    use(shared_data, monkeypatch, "stsb")
    direct, binned = load_dataset("stsb"), load_dataset("stsb", bins=0.25)
    assert direct.task.bounds == (0.0, 5.0)
    assert len(binned.task.labels) == 21
    assert binned.task.labels[:2] + binned.task.labels[-1:] == ("0", "0.25", "5")
    assert binned.train.labels.tolist() == direct.train.labels.tolist()


def test_emotions_can_be_sampled_and_are_named_as_published(shared_data, monkeypatch):
    use(shared_data, monkeypatch, "goemotions")
    names = (shared_data("goemotions") / "labels.txt").read_text(encoding="utf-8").split()
    assert tuple(names) == GO_EMOTIONS
    data = load_dataset("goemotions", sample=10_000)
    assert (len(data.train), len(data.dev), len(data.test)) == (10_000, 5414, 5427)
    assert data.train.labels.shape == (10_000, 28)
    assert "Kept 10,000 of 43,252 train texts: drawn at random, seed 0 (data.sample)." in data.notes


def test_a_folder_of_a_public_set_is_read_without_being_told_how(shared_data):
    data = load_dataset(shared_data("glue") / "RTE")
    assert (data.task.kind, data.task.labels) == ("pair", ("entailment", "not_entailment"))
    assert sum(map(len, (data.train, data.dev, data.test))) == 2490 + 277
    tags = load_dataset(shared_data("terma"))
    assert (tags.task.kind, tags.task.labels) == ("tagging", bio("ASPECT", "SENTIMENT"))
    speech = load_dataset(shared_data("ud_english_ewt"), label_column="xpos")
    assert (speech.task.metric, len(speech.task.labels)) == ("accuracy", 49)
    several = load_dataset(shared_data("goemotions"), kind="multilabel")
    assert set(several.task.labels) == set(GO_EMOTIONS)


def test_the_phrases_are_a_pool(shared_data, monkeypatch):
    phrases = shared_data("sst2_phrases") / "train.tsv"
    monkeypatch.setenv(SHARED, str(shared_data("sst2").parent))
    data = load_dataset("sst2", unlabelled=phrases)
    assert len(data.unlabelled) == len(set(data.unlabelled)) > 66_000
    assert not any("\t" in text or text in ("0", "1", "sentence") for text in data.unlabelled)


def test_quoted_line_ends_in_a_public_csv(shared_data):
    data = load_dataset(shared_data("indonlu") / "emot_emotion-twitter" / "train_preprocess.csv")
    assert sum(map(len, (data.train, data.dev, data.test))) == 3521
    assert len(data.task.labels) == 5
