import json
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from understudy.data.readers.files import read_table
from understudy.errors import DataError, MissingExtraError

DEEP = "[" * 100_000 + "]" * 100_000


def test_parquet_gives_columns_and_the_names_of_classes(tmp_path):
    info = {
        "info": {
            "features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "text": {"_type": "Value"}}
        }
    }
    content = pa.table({"text": ["one", "two"], "label": [1, 0]})
    parquet.write_table(
        content.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet"
    )
    table = read_table(tmp_path / "a.parquet")
    assert table.columns == {"text": ["one", "two"], "label": [1, 0]}
    assert table.class_names == {"label": ("no", "yes")}
    assert table.place(1) == "row 2"


def test_parquet_gives_the_names_of_tags(tmp_path):
    inner = {"names": ["O", "B-X"], "_type": "ClassLabel"}
    info = {"info": {"features": {"tags": {"feature": inner, "_type": "List"}, "id": {"_type": "Value"}}}}
    content = pa.table({"tags": [[0, 1], [0]], "id": [1, 2]})
    parquet.write_table(
        content.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet"
    )
    assert read_table(tmp_path / "a.parquet").class_names == {"tags": ("O", "B-X")}


@pytest.mark.parametrize(
    "about",
    [
        "{",
        "[]",
        '{"info": null}',
        '{"info": {"features": []}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel"}}}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": 2}}}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, 2]}}}}',
        DEEP,
    ],
    ids=range(8),
)
def test_odd_metadata_of_parquet_is_left_alone_and_said(tmp_path, about):
    content = pa.table({"text": ["one", "two"], "label": [1, 0]})
    parquet.write_table(content.replace_schema_metadata({"huggingface": about}), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert (list(table.columns["label"]), table.class_names) == ([1, 0], {})
    assert "labels keep their numbers" in table.guesses[0]


@pytest.mark.parametrize("features", ['{"label": null}', '{"label": [{"_type": "Value"}]}', "{}"])
def test_metadata_without_names_is_not_odd(tmp_path, features):
    content = pa.table({"text": ["one"], "label": [1]})
    about = f'{{"info": {{"features": {features}}}}}'
    parquet.write_table(content.replace_schema_metadata({"huggingface": about}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").guesses == ()


def test_missing_and_empty_parquet_are_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_table(tmp_path / "none.parquet")
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    with pytest.raises(DataError, match=r"empty\.parquet is empty"):
        read_table(tmp_path / "empty.parquet")


def test_missing_pyarrow_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"understudy\[train\]"):
        read_table(tmp_path / "a.parquet")
