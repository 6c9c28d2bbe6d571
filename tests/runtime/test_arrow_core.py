"""Arrow arrays in the C extension, made by hand. `make sanitize` runs this file, too."""

import ctypes
import threading

import fast_cases
import numpy as np
import pytest
from arrow_cases import HandMade, HandMadeStream, Schema, bits, new_capsule
from fast_cases import LABELS, LEVELS, TEXTS, refuse, weights
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.runtime.fast_format import pack
from understudy.runtime.fast_rule import rule_of

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies, file = fast_cases.vocabularies, fast_cases.file  # fixtures

LAYOUTS = ("u", "U", "vu")
WELL = [text for text in TEXTS if text.encode("utf-8", "ignore").decode() == text]
"""Texts without half surrogates, which no Arrow array holds."""


def opened(made):
    if isinstance(made, HandMadeStream):
        return extension.ArrowTexts(made.__arrow_c_stream__())
    return extension.ArrowTexts(*made.__arrow_c_array__())


def student(vocabulary, level=2):
    made = pack(rule_of(vocabulary), weights(len(vocabulary)))
    return extension.Student(made, LABELS, vocabulary.encode, level)


def answers(one, texts, threads=1):
    columns, logits = np.empty(len(texts), np.int64), np.empty((len(texts), len(LABELS)), np.float32)
    one.columns(texts, columns, threads)
    one.fill(texts, logits, threads)
    ids, lengths = one.encode_batch(texts)
    return one.labels(texts, threads), columns.tolist(), logits.tolist(), bytes(ids), bytes(lengths)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["words", "pieces", "bert"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_texts_are_answered_like_a_list(vocabularies, layout, kind, level, threads):
    one = student(vocabularies[kind], level)
    texts = WELL * 90
    # exact: our own kernel adds up one text at a time, always in one order
    assert answers(one, opened(HandMade(texts, layout)), threads) == answers(one, texts, threads)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("hidden", [0, 1, 3, len(WELL)])
def test_an_array_may_begin_later(vocabularies, layout, hidden):
    one = student(vocabularies["words"])
    found = opened(HandMade([None, *WELL], layout, hidden=hidden + 1))
    assert list(found) == WELL[hidden:]
    assert answers(one, found) == answers(one, WELL[hidden:])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_texts(vocabularies, layout):
    one = student(vocabularies["words"])
    for made in (
        HandMade([], layout),
        HandMadeStream([], layout),
        HandMadeStream([[], []], layout),
        HandMade([], layout, places=np.zeros(0)),
    ):
        assert answers(one, opened(made)) == ([], [], [], b"", b"")
    assert one.labels(opened(HandMade(["", ""], layout))) == one.labels(["", ""])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_chunks_are_one_sequence(vocabularies, layout):
    one = student(vocabularies["bert"])
    found = opened(HandMadeStream([[], WELL[:3], [], [], WELL[3:4], WELL[4:], []], layout))
    assert list(found) == WELL
    assert answers(one, found) == answers(one, WELL)
    with pytest.raises(IndexError):
        found[len(WELL)]
    assert found[-1] == WELL[-1]


def test_more_texts_than_a_block(vocabularies):
    one = student(vocabularies["words"])
    texts = [f"{text} {n}" for n in range(45_000) for text in ("the film", "good é", "don’t miss it!")]
    assert len(texts) > 2**17
    expected = answers(one, texts, 3)
    assert expected[1] == [one.column(text) for text in texts]
    assert answers(one, opened(HandMadeStream([texts[:70_000], texts[70_000:]])), 3) == expected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, -1])
def test_a_null_is_named_by_its_number(vocabularies, layout, count):
    one = student(vocabularies["words"])
    texts = ["hidden", "a", None, "b"] * 5
    found = opened(HandMade(texts, layout, hidden=1, null_count=count))
    assert list(found) == texts[1:]
    for call in (one.labels, one.encode_batch, lambda texts: answers(one, texts)):
        with pytest.raises(TypeError, match=r"Text 2 is null\."):
            call(found)
    later = opened(HandMadeStream([["a"] * 7, ["b", None]], layout))
    with pytest.raises(TypeError, match=r"Text 9 is null\."):
        one.columns(later, np.empty(9, np.int64))


def test_nulls_that_are_counted_as_none_are_not_looked_for(vocabularies):
    assert list(opened(HandMade(["a", None], null_count=0))) == ["a", ""]


WRONG = [
    *(
        b"\xff",
        b"a\x80",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x99",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
    ),
    *(
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"a" * 200 + b"\xc3",
        b"\xe9t\xe9" * 40,
    ),
]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_that_are_not_utf_8_are_refused(vocabularies, layout, wrong):
    for kind in ("words", "bert"):
        one = student(vocabularies[kind])
        found = opened(HandMade(["a", "é" * 9, wrong, "b"], layout))
        assert list(found) == ["a", "é" * 9, wrong, "b"]
        for call in (one.labels, one.encode_batch, lambda texts, one=one: answers(one, texts, 3)):
            with pytest.raises(TypeError, match=r"Text 3 is not UTF-8\."):
                call(found)


@settings(max_examples=500, deadline=None)
@given(text=st.binary(max_size=40) | st.text(max_size=30).map(str.encode))
def test_what_is_utf_8_is_what_python_says(text):
    one = extension.Student(FILE, LABELS, refuse)
    try:
        text.decode()
    except UnicodeDecodeError:
        with pytest.raises(TypeError, match="Text 1 is not UTF-8"):
            one.labels(opened(HandMade([text])))
    else:
        assert one.labels(opened(HandMade([text]))) == [one.label(text.decode())]


FILE = pack(rule_of(fast_cases.build_vocabulary(TEXTS, 50)), weights(50))


@pytest.mark.parametrize(
    ("layout", "schema"),
    [
        *(("i", {}), ("z", {}), ("Z", {}), ("vz", {}), ("+s", {}), ("", {}), ("uu", {}), ("n", {})),
        *((layout, {"n_children": 1}) for layout in LAYOUTS),
        ("u", {"format": None}),
    ],
)
def test_what_holds_no_strings_is_refused(layout, schema):
    made = HandMade(["a"], layout, schema=schema)
    with pytest.raises(TypeError, match=r"array of strings is needed.*Cast it"):
        opened(made)
    assert made.owner.released == []  # a schema and an array that were not taken are their owner's


def test_strings_encoded_by_a_dictionary_are_refused():
    with pytest.raises(TypeError, match=r"encoded by a dictionary\. Cast it to strings"):
        opened(HandMade(["a"], schema={"dictionary": 8}))


@pytest.mark.parametrize(
    ("layout", "forged", "message"),
    [
        ("u", {"length": -1}, "negative length"),
        ("u", {"offset": -1}, "negative length"),
        ("u", {"null_count": -2}, "negative length"),
        ("u", {"length": 2**62}, "longer than memory"),
        ("u", {"offset": 2**63 - 1}, "longer than memory"),
        ("u", {"n_buffers": 2}, "another number of buffers"),
        ("u", {"n_buffers": 4}, "another number of buffers"),
        ("vu", {"n_buffers": 2}, "another number of buffers"),
        ("U", {"buffers": None}, "no buffers"),
        ("U", {"n_children": 1}, "children or a dictionary"),
        ("U", {"dictionary": 8}, "children or a dictionary"),
        ("u", {"null_count": 1}, "which of its texts are null"),
        ("u", {"places": np.array([0, 3, 2], np.int32)}, r"Text 2 is not within"),
        ("u", {"places": np.array([-1, 3, 4], np.int32)}, r"Text 1 is not within"),
        ("U", {"places": np.array([0, 3, -(2**40)])}, r"Text 2 is not within"),
        ("vu", {"places": np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], np.int32)}, r"Text 2 is not within"),
        ("vu", {"places": np.array([[1, 0, 0, 0], [13, 0, 2, 0]], np.int32)}, r"Text 2 is not within"),
        ("vu", {"places": np.array([[1, 0, 0, 0], [13, 0, -1, 0]], np.int32)}, r"Text 2 is not within"),
        ("vu", {"places": np.array([[13, 0, 0, -1], [1, 0, 0, 0]], np.int32)}, r"Text 1 is not within"),
        ("vu", {"places": np.array([[13, 0, 0, 12], [1, 0, 0, 0]], np.int32)}, r"Text 1 is not within"),
        (
            "vu",
            {"places": np.array([[13, 0, 1, 2**31 - 1], [1, 0, 0, 0]], np.int32)},
            r"Text 1 is not within",
        ),
    ],
)
def test_an_array_that_is_damaged_is_refused_and_released(layout, forged, message):
    made = HandMade(["a long text, in a buffer", "b"], layout, **forged)
    with pytest.raises(ValueError, match=message):
        opened(made)
    assert made.owner.released == ["array"]


def test_an_array_is_taken_once_and_released_once():
    made = HandMade(["a", "b"])
    found = opened(made)
    assert made.array.release is None  # it was moved
    assert made.schema.release  # it was read where it is
    with pytest.raises(ValueError, match="array was released before"):
        opened(made)
    assert made.owner.released == []
    assert list(found) == ["a", "b"]
    del found
    assert made.owner.released == ["array"]


def test_a_stream_is_taken_once_and_released_once():
    made = HandMadeStream([["a"], ["b"]])
    found = opened(made)
    assert made.owner.released == ["schema", "stream"]
    with pytest.raises(ValueError, match="stream was released before"):
        opened(made)
    del found
    assert made.owner.released == ["schema", "stream", "array", "array"]


def test_a_stream_that_fails_says_why_and_leaves_nothing():
    made = HandMadeStream([["a"], ["b"]], code=5)
    with pytest.raises(ValueError, match="failed with code 5: the disk is gone"):
        opened(made)
    assert sorted(made.owner.released) == ["array", "array", "schema", "stream"]
    forged = HandMadeStream([["a"]], length=-4)
    with pytest.raises(ValueError, match="negative length"):
        opened(forged)
    assert sorted(forged.owner.released) == ["array", "schema", "stream"]


RELEASED = Schema()


def test_capsules_of_another_kind_are_refused():
    made = HandMade(["a"])
    schema, array = made.__arrow_c_array__()
    for wrong in ((array, schema), (schema,), (array,), (1, 2), (schema, None)):
        with pytest.raises(ValueError, match=r"PyCapsule|capsule"):
            extension.ArrowTexts(*wrong)
    with pytest.raises(ValueError, match="schema was released before"):
        extension.ArrowTexts(new_capsule(ctypes.addressof(RELEASED), b"arrow_schema", None), array)
    with pytest.raises(TypeError):
        extension.ArrowTexts()


def test_texts_live_as_long_as_a_call_needs_them(vocabularies):
    """The only other reference goes while C works, without the interpreter's lock."""
    one = student(vocabularies["words"])
    made = HandMade(WELL * 3000)
    held = [opened(made)]
    expected = one.labels(WELL) * 3000
    found = []
    thread = threading.Thread(target=lambda: found.append(one.labels(held[0], 3)))
    thread.start()
    thread.join(0.01)
    held.clear()
    thread.join()
    assert found == [expected]
    assert made.owner.released == ["array"]


def test_a_mask_of_nulls_has_a_bit_for_each_text():
    assert bits([True, False, True]).tolist() == [0b101]
