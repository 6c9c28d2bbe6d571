import json

import pytest
from saved_data import load_saved_dataset

from understudy.data import load_dataset, save_dataset, unlabelled
from understudy.data.readers import blocks
from understudy.data.unlabelled import ItemFiles, read_pool
from understudy.errors import DataError


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for place in (blocks, unlabelled):
        monkeypatch.setattr(place, "BLOCK_ROWS", 2)


@pytest.fixture
def many(tmp_path):
    """A file of each form, with blank rows."""
    (tmp_path / "a.txt").write_text("one text\n\n  \ntwo texts\nthree of them\n")
    (tmp_path / "b.csv").write_text(
        "id,body\n" + "".join(f"{n},a body number {n}\n" for n in range(5)) + "5,\n"
    )
    rows = [{"n": 1, "text": "x y"}, {"n": 2}, {"n": 3}, {"n": 4}, {"n": 5, "text": "z"}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tuple(tmp_path / name for name in ("a.txt", "b.csv", "c.jsonl"))


def test_files_hold_what_is_read_at_once(many):
    found = ItemFiles(many, ("body",))
    assert list(found) == list(found) == list(read_pool(many, ("body",)).texts)
    assert found.rows == 6 + 8 + 6


def test_pairs_are_read_from_lines_and_columns(tmp_path):
    (tmp_path / "a.txt").write_text("a\tb\n\nc\td\ne\tf\n")
    (tmp_path / "b.tsv").write_text("sentence1\tsentence2\n" + "".join(f"{n}\tp q r\n" for n in "xyz"))
    paths = (tmp_path / "a.txt", tmp_path / "b.tsv")
    assert list(ItemFiles(paths, is_pair=True)) == list(read_pool(paths, kind="pair", texts=2).texts)
    named = ItemFiles(paths[1:], ("sentence2", "sentence1"), is_pair=True)
    assert next(iter(named)) == ("p q r", "x")
    (tmp_path / "a.txt").write_text("a\tb\nc\td\nalone\n")
    with pytest.raises(DataError, match="line 3: 1 text instead of a pair"):
        list(ItemFiles(paths, is_pair=True))


def test_the_fingerprint_changes_with_bytes_order_and_columns(many):
    first = ItemFiles(many).fingerprint
    assert first == ItemFiles(many).fingerprint
    assert first != ItemFiles(many[::-1]).fingerprint
    assert first != ItemFiles(many, ("body",)).fingerprint
    with many[0].open("a") as file:
        file.write("more\n")
    assert first != ItemFiles(many).fingerprint


def test_texts_stay_in_their_files_above_a_size(many, tmp_path):
    rows = "".join(f"text number {n},{'ab'[n % 2]}\n" for n in range(60))
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    given = {"unlabelled": many, "dev_fraction": 0.1, "test_fraction": 0.1}
    read = load_dataset(tmp_path / "train.csv", **given, stream_above=1000)
    kept = load_dataset(tmp_path / "train.csv", **given, stream_above=60)
    assert isinstance(read.unlabelled, tuple)
    assert isinstance(kept.unlabelled, ItemFiles)
    assert set(read.unlabelled) <= set(kept.unlabelled)
    assert kept.fingerprint != read.fingerprint
    save_dataset(kept, tmp_path / "saved")
    assert load_saved_dataset(tmp_path / "saved").fingerprint == kept.fingerprint
    assert not (tmp_path / "saved" / "unlabelled.jsonl").exists()
