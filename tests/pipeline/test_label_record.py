"""The record of the stage `label`: what is written is read, and older or damaged records are known for it."""

import json

import pytest

from understudy.errors import ArtifactError
from understudy.pipeline.label_record import FILE, LabelRecord

RECORD = LabelRecord("a key", 5, "a fingerprint", 3, set_aside=1, remaining=1, notes=("A note.",))


def test_what_is_saved_is_loaded(tmp_path):
    RECORD.save(tmp_path)
    assert LabelRecord.load(tmp_path) == LabelRecord.find(tmp_path) == RECORD


def test_an_older_record_found_every_text(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"key": "k", "texts": 7, "fingerprint": "f", "labelled": 7}))
    assert LabelRecord.load(tmp_path) == LabelRecord("k", 7, "f", 7)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"key": "k", "texts": "7", "fingerprint": "f"}',
        '{"key": "k", "texts": 7, "fingerprint": null}',
        '{"key": "k", "texts": 7, "fingerprint": "f", "notes": 1}',
        '{"key": "k", "fingerprint": "f"}',
    ],
)
def test_a_damaged_record_is_refused_and_not_found(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ArtifactError, match=r"label\.json is damaged"):
        LabelRecord.load(tmp_path)
    assert LabelRecord.find(tmp_path) is None


def test_a_missing_record_is_not_found(tmp_path):
    assert LabelRecord.find(tmp_path) is None
    with pytest.raises(ArtifactError, match=r"label\.json is missing"):
        LabelRecord.load(tmp_path)
