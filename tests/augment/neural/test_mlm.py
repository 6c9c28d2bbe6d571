import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from understudy.augment import StepContext
from understudy.augment.neural.loading import load
from understudy.augment.neural.mlm import Filler, MlmConfig, Word, mlm, refill, substitute, whole_words
from understudy.errors import RecipeError
from understudy.tokenization.words import split


@pytest.fixture
def filler(mlm_folder):
    def make(**options):
        config = MlmConfig(mlm_folder, **{"passes": 4, "candidates": 3, **options})
        return Filler(*load("mlm", "MaskedLM", mlm_folder), config)

    return make


def test_candidates_are_those_of_each_word_masked_by_itself(filler):
    fill = filler(token_budget=12)
    texts = ["the room was good", "food", "we liked it so really , not very bad"]
    found = fill.fill(texts)
    for text, words in zip(texts, found, strict=True):
        plain = [w for w in split(text) if w.isalpha()]
        assert [text[word.start : word.end] for word in words] == plain
        for word in words:
            masked = f"{text[: word.start]}[MASK]{text[word.end :]}"
            encoded = fill.tokenizer(masked, return_tensors="pt")
            place = encoded["input_ids"][0].tolist().index(fill.tokenizer.mask_token_id)
            with torch.inference_mode():
                logits = fill.model(**encoded).logits[0, place].numpy()
            order = [
                fill.words[i]
                for i in np.argsort(-logits[fill.ids])
                if fill.words[i] != text[word.start : word.end]
            ]
            assert list(word.candidates) == order[:3]


def test_words_masked_at_once_are_far_apart_and_all_are_masked(filler):
    text = "the room was good but the food looked bad"
    ((found, *_),) = [filler(together=3).fill([text])]
    assert [text[word.start : word.end] for word in found] == text.split()
    fill = filler(together=3)
    masked = text.split()
    for place in (1, 4, 7):  # nine words in three turns
        masked[place] = "[MASK]"
    encoded = fill.tokenizer(" ".join(masked), return_tensors="pt")
    with torch.inference_mode():
        logits = fill.model(**encoded).logits[0, 1:-1].numpy()
    for place in (1, 4, 7):
        order = [fill.words[i] for i in np.argsort(-logits[place][fill.ids])]
        assert list(found[place].candidates) == [word for word in order if word != text.split()[place]][:3]


def test_parts_of_contractions_are_no_words(filler):
    text = "it was n't bad , kind's really the room’s"
    (found,) = filler().fill([text])
    assert [text[word.start : word.end] for word in found] == ["it", "was", "bad", "really", "the"]


def test_a_model_in_bfloat16_finds_nearly_the_same(mlm_folder, filler, sentences):
    config = MlmConfig(mlm_folder, candidates=3, precision="bfloat16")
    half = Filler(*load("mlm", "MaskedLM", mlm_folder, config.precision), config)
    assert half.model.dtype == torch.bfloat16
    pairs = [
        (set(one.candidates), set(other.candidates))
        for ours, theirs in zip(half.fill(sentences[:20]), filler().fill(sentences[:20]), strict=True)
        for one, other in zip(ours, theirs, strict=True)
    ]
    assert np.mean([len(one & other) / 3 for one, other in pairs]) > 0.8


def test_words_of_several_pieces_get_neighbours_of_their_mean_embedding(filler):
    fill = filler()
    ((the, several),) = fill.fill(["the kindness"])
    assert (the.pieces, several.pieces) == (1, 2)
    tokens = fill.tokenizer.convert_tokens_to_ids(["kind", "##ness"])
    mean = fill.embeddings[tokens].mean(axis=0)
    table = fill.embeddings[fill.ids]
    cosine = table @ mean / np.linalg.norm(table, axis=1)
    assert list(several.candidates) == [fill.words[i] for i in np.argsort(-cosine)[:3]]


def test_words_of_several_pieces_get_neighbours_from_a_file(filler, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("kindness 1 0\nwarmth 0.9 0.1\ncoldness -1 0\nrain 0 1\n")
    fill = filler(vectors=str(path), candidates=2)
    ((several,),) = fill.fill(["kindness"])
    assert several.candidates == ("warmth", "rain")
    assert fill.fill(["kindly"]) == [[]]  # no vector, nothing to draw from


def test_only_whole_words_with_letters_are_candidates(filler):
    words = whole_words(filler().tokenizer)[1]
    assert {"room", "kind", "very"} <= set(words)
    assert not {"##ly", "ly", "[MASK]", ".", "!"} & set(words)


def test_whole_words_of_a_byte_level_vocabulary_begin_with_a_space():
    class ByteLevel:
        all_special_ids = (0,)
        tokens = ("<s>", "Ġroom", "ing", "Ġ.", "Ġgood", "Ġx9", "Ġ-", "Ġ'")

        def __len__(self):
            return len(self.tokens)

        def convert_ids_to_tokens(self, ids):
            return [self.tokens[i] for i in ids]

        def convert_tokens_to_string(self, tokens):
            return "".join(tokens).replace("Ġ", " ")

    ids, words = whole_words(ByteLevel())
    assert (ids.tolist(), words) == ([1, 4], ["room", "good"])


def test_a_variant_replaces_words_with_chance_p_and_leaves_the_rest_to_the_letter():
    text = "The ROOM,  was fine"
    words = [Word(0, 3, 1, 1, ("a",)), Word(4, 8, 2, 1, ("food",)), Word(15, 19, 5, 1, ("bad", "dull"))]
    always = refill(text, words, MlmConfig("m", p=1.0, passes=30), np.random.default_rng(0))
    assert set(always) == {"A FOOD,  was bad", "A FOOD,  was dull"}
    assert set(refill(text, words, MlmConfig("m", p=0.0), np.random.default_rng(0))) == {text}
    some = refill(text, words, MlmConfig("m", p=0.4, passes=3000), np.random.default_rng(0))
    assert np.mean(["FOOD" in variant for variant in some]) == pytest.approx(0.4, abs=0.04)


def test_the_same_seed_gives_the_same_variants(mlm_folder, sentences):
    config = MlmConfig(mlm_folder, passes=3)
    one, two, other = (
        [v for b in mlm(config, sentences[:9], StepContext(seed=s)) for v in b] for s in (1, 1, 2)
    )
    assert one == two != other
    assert 0 < len(one) <= 27
    assert not set(one) & set(sentences[:9])


def test_pairs_change_one_side_then_the_other_then_both(filler):
    pair = ("the room was good and clean", "we hated the food")
    (made,) = substitute(filler(p=1.0, passes=3), [pair], seed=0)
    assert [(one != pair[0], other != pair[1]) for one, other in made] == [
        (True, False), (False, True), (True, True)
    ]  # fmt: skip


def test_texts_longer_than_the_model_reads_keep_their_end(filler):
    text = "room " * 40 + "dull"
    (made,) = substitute(filler(p=1.0, passes=1), [text], seed=0)
    assert made[0].endswith("room dull")
    assert made[0] != text


def test_a_model_without_a_layer_of_its_own_at_the_end_gives_the_same(filler, monkeypatch):
    fill = filler()
    texts = ["the room was good", "food was very bad"]
    expected = fill.fill(texts)
    monkeypatch.setattr(type(fill.model), "get_output_embeddings", lambda model: None)
    assert fill.fill(texts) == expected


def test_a_tokeniser_without_a_mask_is_refused(filler, mlm_folder):
    model, tokenizer = load("mlm", "MaskedLM", mlm_folder)
    tokenizer.mask_token = None
    with pytest.raises(RecipeError, match="has no mask token"):
        Filler(model, tokenizer, MlmConfig(mlm_folder))


def test_byte_level_pieces_keep_the_spaces_between_words(sentences):
    own = Tokenizer(models.BPE(unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    own.train_from_iterator(
        sentences * 3,
        trainers.BpeTrainer(
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], vocab_size=400, show_progress=False
        ),
    )
    own.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", cls_token="<s>"
    )
    config = transformers.RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=40, pad_token_id=1, initializer_range=0.5,
    )  # fmt: skip
    model = transformers.RobertaForMaskedLM(config).eval()
    fill = Filler(model, tokenizer, MlmConfig("m", p=1.0, passes=5))
    text = "we really liked the hotel, not the room."
    assert {"liked", "hotel", "room"} <= set(fill.words)
    for variant in flat(substitute(fill, [text], seed=0)):
        assert variant[variant.index(",") :].startswith(", ")
        assert variant.endswith(".")
        assert [w.isalpha() for w in split(variant)] == [w.isalpha() for w in split(text)]


def flat(lists):
    return [item for items in lists for item in items]
