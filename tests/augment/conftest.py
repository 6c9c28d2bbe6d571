"""Made-up texts, and folders with tiny random language models and tokenisers made in memory."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from understudy.augment import build_pool, read_steps
from understudy.augment.inspection import inspect_pool
from understudy.teachers.loading import quiet

TEXT = "the room food film hotel was is looked seemed good bad great dull clean dirty very not and but so"
WORDS = (*TEXT.split(), *"a really quite it we they liked hated . , !".split())  # noqa: SIM905
PIECES = ["##ly", "##ness", "kind", "##s"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[EOS]"]
VOCABULARY = {word: number for number, word in enumerate((*SPECIALS, *WORDS, *PIECES))}
SIZE = len(VOCABULARY)


@pytest.fixture(scope="session")
def sentences():
    """Sixty distinct texts of 4 to 12 words."""
    rng = np.random.default_rng(1)
    words = WORDS[:-3]
    return sorted({" ".join(rng.choice(words, n)) + " ." for n in rng.integers(3, 12, 60)})


@pytest.fixture(scope="session")
def inspection(sentences):
    """An inspection, and the pool that it is of."""
    steps = read_steps([{"masking": {"passes": 4}}, {"length": {"by": "quartiles"}}])
    pool = build_pool(sentences, ["<b>rain</b> [bold] & more " * 5], steps)
    logits = np.eye(2, dtype=np.float32)[np.arange(len(pool)) % 2]
    gold = np.zeros(len(sentences), dtype=np.int64)
    return inspect_pool(pool, sentences, labels=("no", "yes"), gold=gold, logits=logits), pool


def tokenizer(*, is_framed):
    rule = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    rule.normalizer = normalizers.Lowercase()
    rule.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rule.decoder = decoders.WordPiece(cleanup=False)
    if is_framed:
        rule.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {"pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
    names |= {"cls": "[CLS]", "sep": "[SEP]"} if is_framed else {"eos": "[EOS]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=rule,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **{f"{name}_token": token for name, token in names.items()},
    )


def save(folder, model, own):
    with quiet():
        model.save_pretrained(folder)
        own.save_pretrained(folder)
    return str(folder)


def build(make):
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        return make().eval()


@pytest.fixture(scope="session")
def mlm_folder(tmp_path_factory):
    """A tiny masked language model."""
    config = transformers.BertConfig(
        vocab_size=SIZE, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=24, initializer_range=0.5,
    )  # fmt: skip
    model = build(lambda: transformers.BertForMaskedLM(config))
    return save(tmp_path_factory.mktemp("mlm"), model, tokenizer(is_framed=True))


@pytest.fixture(scope="session")
def causal_folder(tmp_path_factory):
    """A tiny causal language model."""
    config = transformers.GPT2Config(
        vocab_size=SIZE, n_embd=16, n_layer=1, n_head=2, n_positions=24, bos_token_id=5, eos_token_id=5
    )
    model = build(lambda: transformers.GPT2LMHeadModel(config))
    return save(tmp_path_factory.mktemp("causal"), model, tokenizer(is_framed=False))


@pytest.fixture(scope="session")
def seq2seq_folder(tmp_path_factory):
    """A tiny sequence-to-sequence model that rambles."""
    config = transformers.T5Config(
        vocab_size=SIZE, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        pad_token_id=0, eos_token_id=5, decoder_start_token_id=0, initializer_factor=5.0,
    )  # fmt: skip
    model = build(lambda: transformers.T5ForConditionalGeneration(config))
    return save(tmp_path_factory.mktemp("seq2seq"), model, tokenizer(is_framed=False))
