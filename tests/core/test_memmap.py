import json

import numpy as np
import pytest

from understudy.core.manifest import verify
from understudy.core.memmap import NpyWriter, mapped, read_rows, write_columns
from understudy.errors import ArtifactError


def test_an_array_grows_and_is_an_ordinary_file(tmp_path):
    path, rng = tmp_path / "a.npy", np.random.default_rng(0)
    blocks = [rng.normal(size=(n, 3)).astype(np.float32) for n in (4, 0, 9)]
    with NpyWriter(path, np.float32, (3,)) as file:
        for block in blocks:
            file.append(block)
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), np.concatenate(blocks))
    np.testing.assert_array_equal(read_rows(mapped(path), 3, 8), np.concatenate(blocks)[3:8])
    np.testing.assert_array_equal(read_rows(np.arange(9), 2, 4), [2, 3])


def test_an_empty_array_is_mapped(tmp_path):
    with NpyWriter(tmp_path / "a.npy", np.uint64, (2,)):
        pass
    array = mapped(tmp_path / "a.npy")
    assert (array.shape, array.dtype) == ((0, 2), np.uint64)
    assert read_rows(array, 0, 0).shape == (0, 2)


def test_rows_behind_those_that_count_are_cut(tmp_path):
    with NpyWriter(tmp_path / "a.npy", np.int32) as file:
        file.append(np.arange(10))
    with NpyWriter(tmp_path / "a.npy", np.int32, rows=4) as file:
        file.append(np.array([7]))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 7]


def test_rows_that_are_not_there_cannot_stay(tmp_path):
    with NpyWriter(tmp_path / "a.npy", np.int32) as file:
        file.append(np.arange(3))
    with pytest.raises(ArtifactError, match="fewer than 4 rows"):
        NpyWriter(tmp_path / "a.npy", np.int32, rows=4)


def test_a_mapped_array_cannot_be_written(tmp_path):
    with NpyWriter(tmp_path / "a.npy", np.int32) as file:
        file.append(np.arange(3))
    with pytest.raises(ValueError, match="read-only"):
        mapped(tmp_path / "a.npy")[0] = 9


class KilledError(Exception):
    pass


class Source:
    """Blocks, some columns of them, and what was made."""

    def __init__(self, stop=None):
        self.stop, self.made, self.told = stop, [], []

    def make(self, block):
        if block == self.stop:
            raise KilledError
        self.made.append(block)
        return {"one": np.arange(block, dtype=np.int32), "two": np.full((block, 2), block, dtype=np.float32)}

    def write(self, folder, identity="i", blocks=(3, 1, 4)):
        return write_columns(folder, identity, iter(blocks), self.make, self.told.append)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_columns_are_written_and_mapped(tmp_path):
    source = Source()
    found = source.write(tmp_path / "c")
    assert found["one"].tolist() == [0, 1, 2, 0, 0, 1, 2, 3]
    assert found["two"][:, 1].tolist() == [3, 3, 3, 1, 4, 4, 4, 4]
    assert source.told == [3, 1, 4]
    verify(tmp_path / "c")
    again = Source(stop=3)
    again.write(tmp_path / "c")
    assert again.made == []


@pytest.mark.parametrize("stop", [3, 1, 4])
def test_killed_columns_go_on_behind_their_last_block(tmp_path, stop):
    with pytest.raises(KilledError):
        Source(stop=stop).write(tmp_path / "c")
    for path in (tmp_path / "c").glob("*.npy"):  # written behind what the state says
        path.write_bytes(path.read_bytes() + b"xyz")
    source = Source()
    source.write(tmp_path / "c")
    Source().write(tmp_path / "whole")
    assert source.made == [3, 1, 4][[3, 1, 4].index(stop) :]
    assert source.told == [3, 1, 4]
    assert contents(tmp_path / "c") == contents(tmp_path / "whole")


def test_another_identity_starts_over(tmp_path):
    Source().write(tmp_path / "c")
    assert Source().write(tmp_path / "c", "j", (2,))["one"].tolist() == [0, 1]


def test_a_truncated_column_is_named(tmp_path):
    Source().write(tmp_path / "c")
    (tmp_path / "c" / "two.npy").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"two\.npy is missing or truncated"):
        Source().write(tmp_path / "c")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"holds notes\.txt"):
        Source().write(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_arrays_of_somebody_else_are_left_alone(tmp_path):
    np.save(tmp_path / "mine.npy", np.arange(3))
    with pytest.raises(ArtifactError, match=r"holds mine\.npy"):
        Source().write(tmp_path)
    assert np.load(tmp_path / "mine.npy").tolist() == [0, 1, 2]


def test_no_blocks_no_columns(tmp_path):
    assert Source().write(tmp_path / "c", blocks=()) == {}
    assert json.loads((tmp_path / "c" / "manifest.json").read_text())["files"] == {}
