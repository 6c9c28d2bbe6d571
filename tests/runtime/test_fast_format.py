import json
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from understudy.runtime.fast_format import LANES, Weights, checksum, pack, round_rows
from understudy.runtime.fast_header import BERT, HEADER, HEADER_BYTES, PIECES, WORDS, fingerprint
from understudy.runtime.fast_rule import Rule, rule_of
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import SPECIALS, WordVocabulary

NAMES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "!")


def document(names=NAMES, specials=NAMES[:5], **normal):
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**{"lowercase": True, **normal})
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(list(specials))
    return json.loads(tokenizer.to_str())


def test_the_rule_of_words():
    vocabulary = WordVocabulary((*SPECIALS, "a"))
    assert rule_of(vocabulary) == Rule(WORDS, (*SPECIALS, "a"), 0, 1)
    assert rule_of(vocabulary.cut(9)).max_words == 9


def test_the_rule_of_own_pieces_survives_a_file(tmp_path):
    made = train_wordpiece(["walks talks walking"] * 3, 30)
    rule = rule_of(made)
    assert (rule.kind, rule.before, rule.after, rule.unknown, rule.longest_word) == (PIECES, -1, -1, 1, 100)
    assert rule.words[:3] == list(SPECIALS)
    assert rule_of(SubwordVocabulary(json.loads(json.dumps(made.document)), 7)).max_words == 7


def test_the_rule_of_bert():
    rule = rule_of(SubwordVocabulary(document(), 64))
    assert rule == Rule(BERT, list(NAMES), 64, 1, 2, 3, 100)
    plain = {**document(), "post_processor": None}
    assert rule_of(SubwordVocabulary(plain)) == Rule(BERT, list(NAMES), 0, 1, -1, -1, 100)
    older = {
        **document(),
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    }
    assert rule_of(SubwordVocabulary(older, 64)) == rule


def with_part(**parts):
    return {**document(), **parts}


def with_token(**facts):
    made = document()
    made["added_tokens"][2] |= facts
    return made


def with_model(**facts):
    made = document()
    made["model"] |= facts
    return made


@pytest.mark.parametrize(
    "made",
    [
        document(lowercase=False),
        document(strip_accents=False),
        document(clean_text=False),
        document(handle_chinese_chars=False),
        document(names=(*NAMES, "[NEW]"), specials=(*NAMES[:5], "[NEW]")),
        document(specials=(*NAMES[:5], "[LATER]")),
        with_part(normalizer=None),
        with_part(pre_tokenizer={"type": "Whitespace"}),
        with_part(post_processor={"type": "BertProcessing", "sep": ["[SEP]", 4], "cls": ["[CLS]", 2]}),
        with_part(
            post_processor={
                "type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2],
                "trim_offsets": True, "add_prefix_space": False,
            }
        ),
        with_token(lstrip=True),
        with_token(normalized=True),
        with_token(single_word=True),
        with_model(continuing_subword_prefix="@@"),
    ],
)  # fmt: skip
def test_another_tokeniser_is_left_to_the_reference_path(made):
    assert rule_of(SubwordVocabulary(made, 64)) is None


def test_what_cannot_be_said_is_left_to_the_reference_path():
    assert rule_of(SubwordVocabulary(document(), 2)) is None  # no room for a word between the two around it
    assert rule_of(WordVocabulary((*SPECIALS, "\ud800"))) is None
    other = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    assert rule_of(SubwordVocabulary(json.loads(other.to_str()))) is None
    wordless = with_part(
        post_processor={**document()["post_processor"], "single": [{"Sequence": {"id": "A", "type_id": 0}}]}
    )
    assert rule_of(SubwordVocabulary(wordless, 64)) is None


def weights():
    return Weights(
        embedding=np.arange(10, dtype=np.float32).reshape(5, 2),
        hidden=np.arange(6, dtype=np.float32).reshape(3, 2) + 100,
        hidden_bias=np.array([1, 2, 3], np.float32),
        output=np.arange(6, dtype=np.float32).reshape(2, 3) + 200,
        output_bias=np.array([7, 8], np.float32),
    )


def test_the_file_is_as_it_is_described():
    rule = rule_of(WordVocabulary((*SPECIALS, "a", "é")))
    file = pack(rule, weights())
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[:4] == (b"UNDRSTDY", 1, 128, len(file))
    assert facts[6:16] == (1, WORDS, 5, 2, 3, 2, 0, 0, 0, 0.0)
    assert facts[16:22] == (1, 1, -1, -1, 0, 0)
    texts_at, texts_bytes, floats_at = facts[22:]
    assert file[texts_at : texts_at + 20] == np.array([5, 10, 16, 17, 19], "<u4").tobytes()
    assert file[texts_at + 20 : texts_at + texts_bytes].decode() == "[PAD][UNK][MASK]aé"
    rows = np.frombuffer(file, "<f4", offset=floats_at).reshape(-1, LANES)
    np.testing.assert_array_equal(rows[:5, :2], weights().embedding)
    np.testing.assert_array_equal(rows[5:7, :3], weights().hidden.T)
    np.testing.assert_array_equal(rows[7, :3], weights().hidden_bias)
    np.testing.assert_array_equal(rows[8:11, :2], weights().output.T)
    np.testing.assert_array_equal(rows[11, :2], weights().output_bias)
    assert len(rows) == 12
    assert rows.sum() == sum(part.sum() for part in vars(weights()).values() if isinstance(part, np.ndarray))


def test_rows_of_ngrams_are_weighed():
    grams = np.ones((3, 2), np.float32)
    more = replace(weights(), grams=grams, longest=4, gram_weight=0.25)
    file = pack(rule_of(WordVocabulary((*SPECIALS, "a", "b"))), more)
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert (facts[6], *facts[13:16]) == (2, 3, 4, 0.25)
    rows = np.frombuffer(file, "<f4", offset=facts[-1]).reshape(-1, LANES)
    np.testing.assert_array_equal(rows[5:8, :2], 0.25 * grams)


def test_the_sums_by_hand():
    assert checksum(bytes(40) + np.array([5, 7, 11], "<u8").tobytes()) == (23, 5 + 12 + 23)
    assert checksum(bytes(40) + np.array([2**64 - 1, 2], "<u8").tobytes()) == (1, 2**64 - 1 + 1 - 2**64)
    file = pack(rule_of(WordVocabulary((*SPECIALS, "a", "b"))), weights())
    one, two = checksum(file)
    assert fingerprint(file) == (one.to_bytes(8, "little") + two.to_bytes(8, "little")).hex()


# --------------------------------------------------------------------------------------- rows of fewer bits


def test_rows_of_halves_and_bytes_are_as_they_are_described():
    rule = rule_of(WordVocabulary((*SPECIALS, "a", "b")))
    rows = np.array([[0, 0], [1, -2], [127, 64], [-0.5, 0.25], [1e-3, 1e-3]], np.float32)
    more = replace(weights(), embedding=rows, grams=rows[:3], longest=2, gram_weight=0.5)
    rest = pack(rule, more)[-4 * 7 * LANES :]
    for number, (table, dtype) in enumerate((("float16", "<f2"), ("int8", "i1")), start=1):
        file = pack(rule, more, table)
        facts = HEADER.unpack(file[:HEADER_BYTES])
        assert (facts[3], facts[21]) == (len(file), number)
        assert file.endswith(rest)
        at = facts[-1]
        found = np.frombuffer(file, dtype, 5 * LANES, at).reshape(5, LANES)
        assert not found[:, 2:].any()
        if table == "float16":
            np.testing.assert_array_equal(found[:, :2], rows.astype(np.float16))
            assert len(file) == at + 2 * 8 * LANES + len(rest)
            continue
        assert found[:, :2].tolist() == [[0, 0], [64, -127], [127, 64], [-127, 64], [127, 127]]
        steps = np.frombuffer(file, "<f4", 5, at + 5 * LANES)
        np.testing.assert_allclose(steps, np.array([0, 2, 127, 0.5, 1e-3]) / 127, rtol=1e-6)
        behind = at + 5 * LANES + 4 * LANES
        steps = np.frombuffer(file, "<f4", 3, behind + 3 * LANES)
        np.testing.assert_allclose(steps, np.array([0, 1, 63.5]) / 127, rtol=1e-6)
        assert len(file) == behind + 3 * LANES + 4 * LANES + len(rest)


@pytest.mark.parametrize(("table", "share"), [("float32", 0), ("float16", 2**-11), ("int8", 0.5 / 127)])
def test_rounding_moves_a_row_by_little_and_once(table, share):
    rows = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    once = round_rows(rows, table)
    most = np.abs(rows).max(axis=1, keepdims=True)
    assert (np.abs(once - rows) <= 1.001 * share * most).all()
    np.testing.assert_allclose(round_rows(once, table), once, rtol=1e-6)
    assert once.dtype == np.float32


def test_what_no_half_can_hold_becomes_the_largest():
    found = round_rows(np.array([[1e9, -1e9, 1e-12]], np.float32), "float16")
    assert found.tolist() == [[65504.0, -65504.0, 0.0]]
