"""Tiny transformers of four families, each with a tokeniser of its family's kind; items of every form."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from understudy.teachers.loading import quiet

POSITIONS = 40  # tokens that each model reads
KNOWN = tuple("a the film was is good bad great dull room food very not and but so really quite it".split())  # noqa: SIM905
LETTERS = "aabcdefghijklmnopqrstuvwxyz"  # so that no word is unknown for its letters
STRANGE = ("zebra", "Good", "filmroom", "don't", "naïve", "...", "42", "wasgoodbad")


def word_pieces(has_types):
    rule = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    rule.normalizer = normalizers.BertNormalizer()
    rule.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    rule.train_from_iterator(
        [*KNOWN, LETTERS],
        trainers.WordPieceTrainer(vocab_size=120, special_tokens=names, show_progress=False),
    )
    rule.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return _wrapped(rule, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), has_types)


def byte_pairs():
    rule = Tokenizer(models.BPE())
    rule.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rule.decoder = decoders.ByteLevel()
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rule.train_from_iterator([" ".join(["", *KNOWN])] * 3, trainer)
    rule.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _wrapped(rule, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"), has_types=False)


def unigrams():
    rule = Tokenizer(models.Unigram())
    rule.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=names, unk_token="[UNK]", show_progress=False
    )
    rule.train_from_iterator([" ".join([*KNOWN, LETTERS])] * 3, trainer)
    rule.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return _wrapped(rule, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), has_types=True)


def _wrapped(rule, names, has_types):
    pad, unknown, start, end, mask = names
    return PreTrainedTokenizerFast(
        tokenizer_object=rule,
        pad_token=pad,
        unk_token=unknown,
        cls_token=start,
        sep_token=end,
        mask_token=mask,
        model_input_names=["input_ids", *(["token_type_ids"] if has_types else []), "attention_mask"],
    )


HIDDEN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}

# family → (stem of the library's names, tokeniser, sizes)
FAMILIES = {
    "bert": ("Bert", lambda: word_pieces(has_types=True), {**HIDDEN, "max_position_embeddings": POSITIONS}),
    "roberta": (
        "Roberta",
        byte_pairs,
        {**HIDDEN, "max_position_embeddings": POSITIONS + 2, "pad_token_id": 1, "type_vocab_size": 1},
    ),
    "deberta": (
        "DebertaV2",
        unigrams,
        {
            **HIDDEN,
            "max_position_embeddings": POSITIONS,
            "relative_attention": True,
            "position_buckets": 16,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
    ),
    "distilbert": (
        "DistilBert",
        lambda: word_pieces(has_types=False),
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": POSITIONS},
    ),
}


@pytest.fixture(scope="session")
def write_family(tmp_path_factory):
    """Family and task (``None`` for a bare encoder) → a folder with model and tokeniser."""

    def write(family, task=None, seed=0, **more):
        stem, make_tokenizer, sizes = FAMILIES[family]
        tokenizer = make_tokenizer()
        head = {None: "Model", "tagging": "ForTokenClassification"}.get(
            task and task.kind, "ForSequenceClassification"
        )
        labels = {"id2label": dict(enumerate(task.labels))} if task else {}
        facts = {"vocab_size": len(tokenizer), "initializer_range": 0.3, **sizes, **labels, **more}
        config = getattr(transformers, f"{stem}Config")(**facts)
        folder = tmp_path_factory.mktemp(family)
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            getattr(transformers, f"{stem}{head}")(config).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def family_folder(write_family):
    """Family and task → a fine-tuned model's folder, written once; read only."""
    written = {}

    def folder(family, task):
        form = (family, task.kind == "tagging", task.labels)
        if form not in written:
            written[form] = write_family(family, task)
        return written[form]

    return folder


@pytest.fixture(scope="session")
def items():
    """Task, n, seed → items of its form, of 1 to 5 words each part; some words are strange."""

    def make(task, n=12, seed=0):
        rng = np.random.default_rng(seed)

        def words():
            return tuple(str(word) for word in rng.choice([*KNOWN, *STRANGE], rng.integers(1, 6)))

        if task.kind == "tagging":
            return [words() for _ in range(n)]
        if task.texts == 2:
            return [(" ".join(words()), " ".join(words())) for _ in range(n)]
        return [" ".join(words()) for _ in range(n)]

    return make
