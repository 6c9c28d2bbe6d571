"""The bundled data set `concierge`: what its data card promises, and that its generator still writes it."""

import gzip
import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from understudy.errors import DataError
from understudy.tokenization.words import split

TOOL = Path(__file__).parents[2] / "tools" / "make_concierge.py"
COUNTS = {"train": 200, "dev": 40, "test": 70}
PAIRS = [("transfer_from_hotel", "transfer_to_hotel"), ("room_upgrade", "room_downgrade")]


def load_tool():
    spec = importlib.util.spec_from_file_location("make_concierge", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@pytest.fixture(scope="module")
def splits():
    return tool.make_splits(tool.read_phrases())


@pytest.fixture(scope="module")
def labelled():
    def read(name):
        lines = (tool.PACKAGED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    return {name: read(name) for name in COUNTS}


@pytest.fixture(scope="module")
def unlabelled():
    data = gzip.decompress((tool.PACKAGED / "unlabelled.txt.gz").read_bytes())
    return data.decode().splitlines()


def fold(text):
    return " ".join(re.findall(r"\w+", text.lower().replace("'", "")))


def test_the_generator_writes_the_packaged_files(splits, monkeypatch, capsys):
    monkeypatch.setattr(tool, "make_splits", lambda _: splits)
    assert tool.main(["--check"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_check_names_a_file_that_differs(splits, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tool, "make_splits", lambda _: splits)
    monkeypatch.setattr(tool, "PACKAGED", tmp_path)
    assert tool.main(["--out", str(tmp_path)]) == 0
    (tmp_path / "LICENSE").write_text("other")
    (tmp_path / "unlabelled.txt.gz").unlink()
    assert tool.main(["--check"]) == 1
    assert "unlabelled.txt.gz, LICENSE" in capsys.readouterr().out


def test_written_bytes_carry_no_time(tmp_path):
    for folder in ("one", "two"):
        tool.write({"unlabelled.txt.gz": "hello\n"}, tmp_path / folder)
    one, two = ((tmp_path / folder / "unlabelled.txt.gz").read_bytes() for folder in ("one", "two"))
    assert one == two
    assert one[4:8] == bytes(4)


def test_counts(labelled, unlabelled):
    for name, count in COUNTS.items():
        tally = Counter(row["label"] for row in labelled[name])
        assert len(tally) == 14
        assert set(tally.values()) == {count}
    assert len(unlabelled) >= 14_000


def test_folder_is_small():
    assert sum(path.stat().st_size for path in tool.PACKAGED.iterdir()) < 3_000_000


def test_no_two_messages_are_alike(labelled, unlabelled):
    texts = [row["text"] for rows in labelled.values() for row in rows] + unlabelled
    folded = Counter(map(fold, texts))
    assert [text for text, times in folded.items() if times > 1] == []


def test_enough_remains_of_the_unlabelled_messages(labelled, unlabelled):
    known = {fold(row["text"]) for rows in labelled.values() for row in rows}
    assert len({fold(text) for text in unlabelled} - known) >= 12_000


def test_no_family_of_train_is_in_dev_or_test(splits):
    trained = {row.family for row in splits["train"]}
    assert trained <= {line for lines in tool.read_phrases().narrow.values() for line in lines}
    assert trained.isdisjoint(row.family for name in ("dev", "test") for row in splits[name])


def test_a_family_in_train_and_test_is_refused(monkeypatch):
    for constant, few in (("TRAIN", 20), ("DEV", 30), ("TEST", 60), ("POOL", 0), ("POOL_PAIRS", 0)):
        monkeypatch.setattr(tool, constant, few)
    phrases = tool.read_phrases()
    phrases.narrow["lost_item"] = phrases.wide["lost_item"]
    with pytest.raises(DataError, match="narrow and wide ones apart"):
        tool.make_splits(phrases)


def test_dev_and_test_do_not_come_back_with_another_greeting(splits):
    held_out = {row.core for name in ("dev", "test") for row in splits[name]}
    assert held_out.isdisjoint(row.core for name in ("train", "pool") for row in splits[name])
    assert {row.core for row in splits["dev"]}.isdisjoint(row.core for row in splits["test"])


def test_sentences_written_one_by_one(splits):
    for name, least in (("dev", 10), ("test", 25)):
        tally = Counter(row.label for row in splits[name] if row.family == "hand")
        assert len(tally) == 14
        assert min(tally.values()) >= least
    assert sum(row.family == "hand" for row in splits["pool"]) >= 300


@pytest.mark.parametrize("name", COUNTS)
def test_words_and_tags(labelled, name):
    for row in labelled[name]:
        assert row["words"] == split(row["text"])
        assert len(row["tags"]) == len(row["words"])
        for before, tag in zip(["O", *row["tags"]], row["tags"], strict=False):
            assert tag == "O" or re.fullmatch(r"[BI]-[a-z_]+", tag)
            assert not tag.startswith("I-") or before[2:] == tag[2:]


def test_slots(labelled):
    slots = {name: {tag[2:] for row in rows for tag in row["tags"]} - {""} for name, rows in labelled.items()}
    assert 8 <= len(slots["train"]) <= 12
    assert slots["dev"] <= slots["train"]
    assert slots["test"] <= slots["train"]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_bag_of_words_cannot_tell_mirrored_intents(labelled, name, pair):
    def bags(label):
        return Counter(tuple(sorted(row["words"])) for row in labelled[name] if row["label"] == label)

    assert bags(pair[0]) == bags(pair[1])


@pytest.mark.parametrize("pair", PAIRS)
def test_mirrored_messages_have_their_ends_exchanged(splits, pair):
    ends = {"transfer_from_hotel": ("origin", "destination"), "room_upgrade": ("room_from", "room_to")}[
        pair[0]
    ]
    for rows in splits.values():
        for row in rows:
            if row.label in pair:
                slots = [slot for _, slot in tool.MARK.findall(row.markup)]
                assert [slots.count(end) for end in ends] == [1, 1], row.markup


def test_mirror_leaves_other_slots_alone():
    markup = "[2](number) for [4](number), [here](origin) to [the zoo](destination)"
    assert tool.mirror(markup) == "[2](number) for [4](number), [the zoo](origin) to [here](destination)"


def test_mirror_and_tag():
    assert (
        tool.mirror("[Here](origin), to [the zoo](destination)")
        == "[The zoo](origin), to [Here](destination)"
    )
    words, tags = tool.tag("To [the zoo](destination)!")
    assert words == ["to", "the", "zoo", "!"]
    assert tags == ["O", "B-destination", "I-destination", "O"]


def test_a_slot_within_a_word_is_refused():
    with pytest.raises(DataError, match="within a word"):
        tool.tag("more [towel](item)s")


def test_a_sentence_written_twice_is_refused():
    phrases = tool.read_phrases()
    phrases.by_hand["dev"]["lost_item"].append("HAS anyone seen a pink [water bottle](item)? pool area!")
    phrases.by_hand["dev"]["lost_item"].append("has anyone seen a pink [water bottle](item), pool area")
    maker = tool.Maker(phrases, tool.random.Random(0))
    with pytest.raises(DataError, match="twice"):
        maker.hand("dev", "lost_item")


def test_exhausted_families_are_reported():
    phrases = tool.read_phrases()
    phrases.narrow["lost_item"] = ["my {thing} is lost"]
    maker = tool.Maker(phrases, tool.random.Random(0))
    maker.cores.update(
        tool.key(f"my {thing} is lost") for thing in phrases.fillers["thing"].choices["narrow"]
    )
    with pytest.raises(DataError, match="no further message"):
        maker.draw("lost_item", "narrow", 0)


def test_the_data_card_names_every_intent(labelled):
    text = (tool.PACKAGED / "README.md").read_text(encoding="utf-8")
    assert all(f"`{row['label']}`" in text for row in labelled["train"])
    assert "CC0" in text
