from pathlib import Path

import pytest

from understudy.data import sources
from understudy.data.catalogue import SHARED
from understudy.data.sources import ReadOptions, find, find_folder
from understudy.errors import DataError, RecipeError

ROWS = "text,label\none,x\ntwo,y\n"


@pytest.mark.parametrize("dev", ["dev.csv", "val.csv", "valid.csv", "Validation.CSV"])
def test_a_folder_is_read_by_its_names(tmp_path, dev):
    for name in ("train.csv", dev, "test.csv", "notes.md", "other.csv"):
        (tmp_path / name).write_text(ROWS, encoding="utf-8")
    (tmp_path / "unlabelled.txt").write_text("three\n", encoding="utf-8")
    found = find(str(tmp_path), ReadOptions())
    assert list(found.tables) == ["train", "dev", "test"]
    assert found.tables["dev"].name == dev
    assert found.pools == (tmp_path / "unlabelled.txt",)
    assert found.name == tmp_path.name


def test_a_file_is_train(tmp_path):
    (tmp_path / "tickets.v2.csv").write_text(ROWS, encoding="utf-8")
    found = find(tmp_path / "tickets.v2.csv", ReadOptions())
    assert list(found.tables) == ["train"]
    assert found.name == "tickets"


def test_a_folder_without_train_lists_what_is_there(tmp_path):
    (tmp_path / "test.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "train.xlsx").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"has no train file; it holds 'test\.csv', 'train\.xlsx'"):
        find_folder(tmp_path, ReadOptions())


def test_two_files_for_one_split_are_refused(tmp_path):
    for name in ("train.csv", "dev.csv", "val.tsv"):
        (tmp_path / name).write_text(ROWS, encoding="utf-8")
    with pytest.raises(DataError, match=r"more than one dev file: 'dev\.csv', 'val\.tsv'"):
        find_folder(tmp_path, ReadOptions())


def test_an_unknown_name_suggests_the_catalogue_and_the_forms():
    with pytest.raises(
        DataError, match=r"no data set, file or folder 'sst'\. Did you mean 'sst2'\?.*bundled:concierge"
    ):
        find("sst", ReadOptions())


def test_a_missing_path_suggests_its_neighbour(tmp_path):
    (tmp_path / "tickets.csv").write_text(ROWS, encoding="utf-8")
    with pytest.raises(DataError, match=r"no file or folder .*ticket\.csv'\. Did you mean .*tickets\.csv'\?"):
        find(tmp_path / "ticket.csv", ReadOptions())
    with pytest.raises(DataError, match=r"no file or folder 'nowhere/at/all'\. A source is"):
        find("nowhere/at/all", ReadOptions())


def test_a_bare_name_suggests_a_file_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "tickets").mkdir()
    with pytest.raises(DataError, match=r"no file or folder 'base\.cvs'\. Did you mean 'base\.csv'\?"):
        find("base.cvs", ReadOptions())
    with pytest.raises(DataError, match=r"no file or folder 'tickts'\. Did you mean 'tickets'\?"):
        find("tickts", ReadOptions())
    with pytest.raises(DataError, match=r"'emotoin'\. Did you mean 'emotion'\?"):
        find("emotoin", ReadOptions())


def test_a_source_that_cannot_be_a_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no home folder for '~nobody-here' in '~nobody-here/x\.csv'"):
        find("~nobody-here/x.csv", ReadOptions())
    with pytest.raises(DataError, match="is a device, not a file"):
        find("/dev/null", ReadOptions())
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"link\.csv is a link to .*gone\.csv, which is not there"):
        find(tmp_path / "link.csv", ReadOptions())


@pytest.fixture
def shared(tmp_path, monkeypatch):
    folder = tmp_path / "shared" / "emotion"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("text;label_name\na; b;joy\nc;fear\n", encoding="utf-8")
    (folder / "val.txt").write_text("text;label_name\nd;joy\n", encoding="utf-8")
    (folder / "test.txt").write_text("text;label_name\ne;fear\n", encoding="utf-8")
    monkeypatch.setenv(SHARED, str(folder.parent))
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_local_copy_is_preferred_and_said(shared):
    found = find("emotion", ReadOptions())
    assert found.tables["train"].columns["text"] == ("a; b", "c")
    assert found.notes == (f"Read 'emotion' from local files, in the folder that {SHARED} names.",)
    assert (found.reading.text_column, found.reading.label_column) == ("text", "label")
    assert list(found.reading.labels)[:2] == ["sadness", "joy"]


def test_the_catalogue_goes_before_a_path_of_the_same_name(shared):
    Path("emotion").mkdir()
    assert "say './emotion'" in find("emotion", ReadOptions()).notes[1]
    with pytest.raises(DataError, match="no train file; it holds nothing"):
        find("./emotion", ReadOptions())
    with pytest.raises(DataError, match="no train file"):
        find(Path("emotion"), ReadOptions())


def test_an_incomplete_local_copy_is_said(shared):
    (shared / "val.txt").unlink()
    with pytest.raises(DataError, match=r"There is no file .*val\.txt"):
        find("emotion", ReadOptions())


@pytest.mark.parametrize(
    ("option", "value"), [("text_column", "a"), ("label_column", "b"), ("delimiter", ","), ("header", False)]
)
def test_what_the_catalogue_knows_cannot_be_chosen(option, value):
    with pytest.raises(RecipeError, match=f"--{option.replace('_', '-')} cannot be chosen for 'sst2'"):
        find("sst2", ReadOptions(**{option: value}))


def test_the_users_names_go_before_the_catalogues(shared):
    assert find("emotion", ReadOptions(labels={"joy": "happy"})).reading.labels == {"joy": "happy"}


def test_layouts_may_be_quoted_or_a_part_of_a_file(shared):
    folder = shared.parent / "indonlu" / "emot_emotion-twitter"
    folder.mkdir(parents=True)
    for name in ("train", "valid", "test"):
        (folder / f"{name}_preprocess.csv").write_text('label,tweet\nlove,"a, ""b""\nc"\n', encoding="utf-8")
    assert find("emot", ReadOptions()).tables["train"].columns["tweet"] == ('a, "b"\nc',)
    (shared.parent / "terma").mkdir()
    sentences = "".join(f"w{n}\tO\n\n" for n in range(4000))
    for name in ("train", "test"):
        (shared.parent / "terma" / f"{name}.txt").write_text(sentences, encoding="utf-8")
    tables = find("terma", ReadOptions(kind="tagging")).tables
    assert [len(tables[part]) for part in ("train", "dev", "test")] == [3000, 1000, 4000]
    assert tables["dev"].columns["words"][0] == ("w3000",)
    assert tables["dev"].place(0) == "line 6001"


def test_bundled_sets_are_found_by_name(tmp_path, monkeypatch):
    folder = tmp_path / "porter"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"text": "a", "label": "x", "words": ["a"]}\n', encoding="utf-8")
    monkeypatch.setattr(sources, "BUNDLED", tmp_path)
    found = find("bundled:porter", ReadOptions())
    assert found.name == "porter"
    assert (found.reading.text_column, found.reading.label_column) == ("text", "label")
    with pytest.raises(DataError, match=r"no bundled data set 'prter'\. Did you mean 'porter'"):
        find("bundled:prter", ReadOptions())
    with pytest.raises(RecipeError, match="--header cannot be chosen"):
        find("bundled:porter", ReadOptions(header=True))
    monkeypatch.setattr(sources, "BUNDLED", tmp_path / "absent")
    with pytest.raises(DataError, match="There are none"):
        find("bundled:porter", ReadOptions())
