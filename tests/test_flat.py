import json
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from understudy.flat import (
    BERT,
    HEADER,
    HEADER_BYTES,
    LANES,
    PIECES,
    WORDS,
    Rule,
    Weights,
    checksum,
    fingerprint,
    pack,
    rule_of,
)
from understudy.subwords import SubwordVocabulary, train_wordpiece
from understudy.words import SPECIALS, WordVocabulary

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
