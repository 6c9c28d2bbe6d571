import pytest

from understudy.augment import StepContext
from understudy.augment.neural import back_translate as module
from understudy.augment.neural.back_translate import BackTranslateConfig, back_translate, translate
from understudy.augment.neural.loading import load
from understudy.augment.neural.mlm import MlmConfig


def flat(lists):
    return [item for items in lists for item in items]


@pytest.fixture
def config(seq2seq_folder):
    def make(**options):
        return BackTranslateConfig(seq2seq_folder, seq2seq_folder, **{"most_tokens": 10, **options})

    return make


def test_batches_do_not_change_translations(config, seq2seq_folder, sentences):
    model, tokenizer = load("back-translate", "Seq2SeqLM", seq2seq_folder)
    together = translate(model, tokenizer, sentences[:12], config(token_budget=64))
    alone = [translate(model, tokenizer, [text], config())[0] for text in sentences[:12]]
    assert together == alone
    assert len(set(together)) > 1


def test_texts_go_there_and_back(config, seq2seq_folder, sentences):
    model, tokenizer = load("back-translate", "Seq2SeqLM", seq2seq_folder)
    there = translate(model, tokenizer, sentences[:5], config())
    back = [text for text in translate(model, tokenizer, there, config()) if text]
    assert flat(back_translate(config(), sentences[:5], StepContext())) == back


def test_words_are_replaced_afterwards(config, mlm_folder, sentences):
    plain = flat(back_translate(config(), sentences[:5], StepContext()))
    varied = flat(
        back_translate(config(mlm=MlmConfig(mlm_folder, passes=2, p=1.0)), sentences[:5], StepContext())
    )
    assert varied[: len(plain)] == plain
    assert len(varied) > len(plain)


def test_pairs_are_translated_on_one_side_the_other_and_both(config, monkeypatch):
    monkeypatch.setattr(module, "load", lambda *a: (None, None))
    monkeypatch.setattr(module, "translate", lambda m, t, texts, c: [text.upper() for text in texts])
    made = flat(back_translate(config(), [("a", "b"), ("c", "")], StepContext()))
    assert made == [("A", "b"), ("a", "B"), ("A", "B")]


def test_beams_are_used(config, seq2seq_folder, sentences):
    model, tokenizer = load("back-translate", "Seq2SeqLM", seq2seq_folder)
    greedy = translate(model, tokenizer, sentences[:8], config())
    assert len(translate(model, tokenizer, sentences[:8], config(beams=3))) == len(greedy)
