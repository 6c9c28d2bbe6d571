import numpy as np
import pytest
from window_cases import NAMES, SENTENCES, answer, folded, packed, spelled, tagger, words

from understudy.runtime.cnn_format import ABREAST
from understudy.runtime.fast_format import TABLES
from understudy.runtime.fast_header import HEADER, HEADER_BYTES
from understudy.runtime.fast_rule import rule_of
from understudy.runtime.window_format import (
    BEGINNING,
    END,
    FORM,
    ITSELF,
    MOST_ENTRY,
    SHAPE,
    pack_window,
    unfit,
)
from understudy.tokenization.spelling import Spelling
from understudy.tokenization.words import WordVocabulary

PARTED = ("The", "THE", "talks", "U.S.", "")


@pytest.mark.parametrize("spelling", [None, spelled()])
@pytest.mark.parametrize("sizes", [(9, 5), (1, 1), (32, 3), (70, 15)])
def test_rows_answer_as_windows_do(sizes, spelling):
    hidden, seen = sizes
    weights = tagger(hidden, seen, spelling=spelling)
    expected = np.concatenate([answer(weights, sentence, spelling) for sentence in SENTENCES])
    found = folded(weights, spelling=spelling).logits(SENTENCES)
    # the one adds up in float32, in another order: hundreds of products of a few units each
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_word_is_a_form_or_the_sum_of_what_is_known_of_it():
    entries = folded(tagger(spelling=spelled()), spelling=spelled()).entries
    named = {
        word: [[entries.words[row] for row in place] for place in entries.rows_of(word)] for word in PARTED
    }
    assert named["The"] == [[FORM + "The"]]
    assert named["THE"] == [["the", BEGINNING + "the", END + "the"]]
    assert named["talks"] == [["[UNK]", BEGINNING + "tal", END + "s", SHAPE + "x"]]
    whole = [BEGINNING + "u.s", END + ".s.", SHAPE + "X.X.", ITSELF + "U.S."]
    assert named["U.S."] == [[part, *whole[:1], END + "u.s.", *whole[2:]] for part in ("u", ".", "s", ".")]
    assert named[""] == [["[UNK]"]]


def test_a_word_that_is_known_as_it_stands_is_rounded_once():
    spelling = spelled()
    weights = tagger(spelling=spelling, hidden=32)
    one = folded(weights, "int8", spelling)
    alone = answer(weights, ("The",), spelling)
    step = float((np.abs(weights.output) @ one.steps[:32]).max()) / 2
    assert np.abs(one.logits([("The",)]) - alone).max() <= step + 1e-4


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("seed", range(4))
def test_rounding_moves_no_logit_further_than_its_bound(table, seed):
    spelling = spelled()
    weights = tagger(40, spelling=spelling, seed=seed)
    one = folded(weights, table, spelling)
    expected = np.concatenate([answer(weights, sentence, spelling) for sentence in SENTENCES])
    moved = np.abs(one.logits(SENTENCES) - expected).max()
    assert moved <= one.bound + 1e-3
    assert (one.bound > 0) == (table != "float32")
    if table == "int8":
        assert moved > one.bound / 100
        assert one.bound > 5 * folded(tagger(40, seed=seed), table).bound / 2  # without traits a row a word


def test_a_hidden_unit_that_answers_nothing_has_no_step():
    weights = tagger()
    weights.around[3] = 0
    one = folded(weights, "int8")
    assert one.steps[3] == 0
    assert np.isfinite(one.logits(SENTENCES)).all()


def test_long_sentences_are_read_in_windows():
    weights, short = tagger(seen=3), words(max_words=8)
    sentence = ("good", "bad", "U.S.", "film") * 9
    whole = folded(weights).logits([sentence])
    cut = folded(weights, vocabulary=short).logits([sentence])
    assert (
        0 < np.isclose(cut, whole, atol=1e-4).all(axis=1).mean() < 1
    )  # but for words at the edge of a window


def test_the_file_is_as_it_is_described():
    spelling = spelled()
    file, one = packed(tagger(), "int8", spelling=None), folded(tagger(), "int8")
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[:4] == (b"UNDRSTDY", 4, 128, len(file))
    count = len(NAMES) + 3
    assert facts[6:16] == (6, 1, count, 0, 9, 3, 0, 0, 5, 0.0)
    rows = np.frombuffer(file, "i1", count * 5 * ABREAST, facts[-1])
    np.testing.assert_array_equal(rows, one.numbers.reshape(-1))
    rest = np.frombuffer(file, "<f4", offset=facts[-1] + rows.size)
    steps, biases, head, bias = np.split(rest, [ABREAST, 2 * ABREAST, 5 * ABREAST])
    np.testing.assert_array_equal(steps, one.steps)
    np.testing.assert_array_equal(biases[:9], tagger().around_bias)
    np.testing.assert_array_equal(head.reshape(3, ABREAST)[:, :9], tagger().output)
    assert bias.tolist() == [*tagger().output_bias, *[0] * 13]
    more = HEADER.unpack(packed(tagger(spelling=spelling), spelling=spelling)[:HEADER_BYTES])
    assert more[8] == len(folded(tagger(spelling=spelling), spelling=spelling).entries.words) > count


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="an odd number"):
        tagger(seen=4)
    short = folded(tagger(), vocabulary=WordVocabulary(words().words[:-1]))
    with pytest.raises(ValueError, match="do not begin with 15 words"):
        pack_window(rule_of(words()), short)


@pytest.mark.parametrize("trait", ["", "a\0b", "\ud83d", "x" * MOST_ENTRY, "é" * 127 + "x"])
def test_traits_that_c_cannot_look_for_are_named(trait):
    assert unfit(None) == unfit(spelled()) == unfit(Spelling([(8, "x" * (MOST_ENTRY - 1))])) == ""
    assert "cannot look for" in unfit(Spelling([(8, trait)]))


def test_traits_of_another_length_than_their_kind_are_never_found():
    spelling = Spelling([(0, "th"), (8, "the"), (6, "he")])
    entries = folded(tagger(spelling=spelling), spelling=spelling).entries
    assert entries.words[len(NAMES) + 3 :] == (FORM + "the",)
