import pytest
import torch

from understudy.augment import StepContext
from understudy.augment.neural import generate as module
from understudy.augment.neural.generate import (
    GenerateConfig,
    encode,
    finetune,
    generate,
    prefixes,
    sample,
)
from understudy.augment.neural.loading import load
from understudy.errors import DataError


def flat(lists):
    return [item for items in lists for item in items]


def test_samples_go_on_from_the_first_words_of_texts(causal_folder, sentences):
    config = GenerateConfig(causal_folder, texts=20, epochs=0, batch_size=8, most_tokens=12)
    made = flat(generate(config, sentences, StepContext(seed=3)))
    assert len(made) == 20
    starts = {" ".join(line.split()[:n]) for line in sentences for n in (1, 2, 3)}
    for text in made:
        assert any(text.startswith(start) for start in starts)
        assert 1 <= len(text.split()) <= 12
    assert made == flat(generate(config, sentences, StepContext(seed=3)))
    assert made != flat(generate(config, sentences, StepContext(seed=4)))


def test_prefixes_have_one_to_so_many_words(causal_folder, sentences):
    config = GenerateConfig(causal_folder, texts=200, prefix_words=2)
    found = prefixes(sentences, config, 0)
    assert {len(prefix.split()) for prefix in found} == {1, 2}
    assert len(found) == 200


def test_fine_tuning_lowers_the_loss_and_samples_then_look_like_the_texts(causal_folder):
    texts = ["the room was good .", "the food was bad ."] * 20
    model, tokenizer = load("generate", "CausalLM", causal_folder)
    config = GenerateConfig(
        causal_folder, texts=30, epochs=30, learning_rate=2e-2, batch_size=8, prefix_words=1, top_k=1
    )
    curve = finetune(model, tokenizer, texts, config, seed=0)
    assert curve[-1].dev_loss < 0.5 * curve[0].dev_loss
    made = set(flat(sample(model, tokenizer, texts, config, seed=0)))
    assert made <= set(texts)


@pytest.mark.parametrize("length", [1, 5, 16])
def test_batches_padding_and_rounds_do_not_change_greedy_samples(
    causal_folder, sentences, monkeypatch, length
):
    config = GenerateConfig(causal_folder, texts=12, top_k=1, most_tokens=16)
    loaded = load("generate", "CausalLM", causal_folder)
    at_once = flat(sample(*loaded, sentences, config, seed=0))
    monkeypatch.setattr(module, "TOGETHER", 3)
    monkeypatch.setattr(module, "ROUND", length)
    assert sorted(flat(sample(*loaded, sentences, config, seed=0))) == sorted(at_once)


def test_a_text_ends_with_the_end_token_or_where_it_is_long_enough(causal_folder, monkeypatch):
    model, tokenizer = load("generate", "CausalLM", causal_folder)
    end, (room, good) = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(["room", "good"])
    blocks = iter([[[good, end, 0], [good, good, good]], [[good, good, end]]])

    def grow(input_ids, max_new_tokens, **_):
        return torch.cat([input_ids, torch.tensor(next(blocks))], dim=1)

    monkeypatch.setattr(model, "generate", grow)
    monkeypatch.setattr(module, "ROUND", 3)
    config = GenerateConfig(causal_folder, texts=2, prefix_words=1, most_tokens=9)
    made = list(sample(model, tokenizer, ["room"], config, seed=0))
    assert made == [["room good"], ["room good good good good good"]]
    assert room != good


def test_bfloat16_trains_and_samples(causal_folder):
    texts = ["the room was good .", "the food was bad ."] * 20
    config = GenerateConfig(
        causal_folder, texts=30, epochs=30, learning_rate=2e-2, batch_size=8, prefix_words=1, top_k=1,
        precision="bfloat16",
    )  # fmt: skip
    made = set(flat(generate(config, texts, StepContext(seed=0))))
    assert made <= set(texts)


def test_pairs_are_told_apart_by_the_separator(causal_folder, monkeypatch):
    lines = ["the room , good", "bad", "a , b , c", " , good", "food ,  very dull"]
    config = GenerateConfig(causal_folder, texts=5, epochs=0, separator=" , ")
    model, tokenizer = load("generate", "CausalLM", causal_folder)
    monkeypatch.setattr(module, "_grow", lambda *a, **k: [[tokenizer.eos_token_id]] * 5)
    monkeypatch.setattr(tokenizer, "batch_decode", lambda *a, **k: lines)
    made = flat(sample(model, tokenizer, [("room", "good"), ("food", "bad")], config, seed=0))
    assert made == [("the room", "good"), ("food", "very dull")]


def test_pairs_train_end_to_end(causal_folder):
    config = GenerateConfig(causal_folder, texts=6, epochs=1, separator=" , ")
    made = flat(
        generate(config, [("the room", "good"), ("the food", "bad"), ("we", "they")], StepContext(seed=0))
    )
    assert all(isinstance(item, tuple) and len(item) == 2 for item in made)


def test_encoding_adds_the_end_and_keeps_room_for_it(causal_folder):
    _, tokenizer = load("generate", "CausalLM", causal_folder)
    rows = encode(tokenizer, ["the room was good"], 3, ends=True)
    assert rows[0][-1] == tokenizer.eos_token_id
    assert len(rows[0]) == 3
    assert len(encode(tokenizer, ["the room was good"], 3)[0]) == 3


def test_sampling_leaves_the_global_generator_alone(causal_folder, sentences):
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    flat(generate(GenerateConfig(causal_folder, texts=4, epochs=1), sentences[:5], StepContext(seed=0)))
    assert torch.equal(torch.rand(1), expected)


def test_one_text_is_enough(causal_folder):
    config = GenerateConfig(causal_folder, texts=2, epochs=1)
    assert len(flat(generate(config, ["the room was good"], StepContext(seed=0)))) == 2
    assert flat(sample(*load("generate", "CausalLM", causal_folder), [], config, seed=0)) == []
    with pytest.raises(DataError, match="no text has two tokens"):
        next(generate(config, [""], StepContext(seed=0)))
