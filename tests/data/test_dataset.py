import numpy as np
import pytest
from saved_data import load_saved_dataset

from understudy.core.task import Task
from understudy.data import Dataset, Split, save_dataset
from understudy.errors import ArtifactError


@pytest.fixture
def data():
    def split(*pairs):
        return Split(
            tuple(text for text, _ in pairs), np.array([label for _, label in pairs], dtype=np.int64)
        )

    return Dataset(
        name="tiny",
        task=Task(("no", "yes"), metric="mcc"),
        train=split(("a\nb", 1), ("ü, \u2028", 0), ("c", 1)),
        dev=split(("d", 0)),
        test=split(("e", 1), ("f", 0)),
        unlabelled=("g", ' "h" '),
        notes=("guessed",),
        dropped={"train texts also in test": 2},
        source="here.csv",
    )


def test_what_is_saved_is_loaded(data, tmp_path):
    save_dataset(data, tmp_path / "set", about={"stage": "data"})
    loaded = load_saved_dataset(tmp_path / "set")
    assert loaded.fingerprint == data.fingerprint
    for name in ("name", "task", "unlabelled", "notes", "dropped", "source"):
        assert getattr(loaded, name) == getattr(data, name)
    assert loaded.train.texts == data.train.texts
    assert loaded.train.labels.tolist() == [1, 0, 1]


def test_an_altered_file_is_refused(data, tmp_path):
    save_dataset(data, tmp_path / "set")
    path = tmp_path / "set" / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("yes", "not"), encoding="utf-8")
    with pytest.raises(ArtifactError, match="was altered"):
        load_saved_dataset(tmp_path / "set")


def test_counts_and_fingerprint(data):
    assert data.label_counts() == {
        "train": {"no": 1, "yes": 2},
        "dev": {"no": 1, "yes": 0},
        "test": {"no": 1, "yes": 1},
    }
    assert len(data.fingerprint) == 64
