"""Fixtures for all tests: public data where it is, and tiny transformers with random weights."""

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from chat_server import KEY, Chat, serve
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from understudy.teachers.bfloat16 import Bfloat16Speed
from understudy.teachers.loading import quiet

WORDS = tuple(
    "a the film was is good bad great dull room food very not and but so really quite it .".split()  # noqa: SIM905
)
VOCABULARY = {
    word: number for number, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS))
}
POSITIONS = 40  # tokens that each tiny model reads

# name → (config, bare model, headed model, kind of sizes, unused position rows, whether it has token types)
FAMILIES = {
    family: (f"{stem}Config", f"{stem}Model", f"{stem}ForSequenceClassification", sizes, unused, has_types)
    for family, stem, sizes, unused, has_types in (
        ("bert", "Bert", "hidden", 0, True),
        ("roberta", "Roberta", "hidden", 2, False),
        ("xlm-roberta", "XLMRoberta", "hidden", 2, False),
        ("data2vec", "Data2VecText", "hidden", 2, False),
        ("deberta", "DebertaV2", "hidden", 0, False),
        ("distilbert", "DistilBert", "dim", 0, False),
    )
}

SIZES = {
    "hidden": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64
    },
    "dim": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
}  # fmt: skip


def tokenizer(has_types, **more):
    rule = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    rule.normalizer = normalizers.Lowercase()
    rule.pre_tokenizer = pre_tokenizers.Whitespace()
    rule.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=rule,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", *(["token_type_ids"] if has_types else []), "attention_mask"],
        **more,
    )


@pytest.fixture
def a_checkpoint_every_epoch(monkeypatch):
    """Training saves as often as it can afford; short trainings that are stopped shall leave a checkpoint."""
    monkeypatch.setattr("understudy.optim.epochs.SAVING_SHARE", float("inf"))


@pytest.fixture(scope="session")
def write_model(tmp_path_factory):
    """Family, label names (``None`` for a bare encoder), seed → a folder with model and tokeniser."""

    def write(family="bert", labels=("bad", "good"), seed=0, **more):
        config_class, bare, headed, sizes, extra, has_types = FAMILIES[family]
        # The padding id of RoBERTa's kind is 1, which is [UNK] here: two position rows are never used.
        facts = {
            "vocab_size": len(VOCABULARY),
            "max_position_embeddings": POSITIONS + extra,
            "pad_token_id": 1 if extra else 0,
            "initializer_range": 0.3,  # so that different texts get clearly different logits
            **SIZES[sizes],
            **({"id2label": dict(enumerate(labels))} if labels else {}),
            **more,
        }
        config = getattr(transformers, config_class)(**facts)
        folder = tmp_path_factory.mktemp(family)
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            getattr(transformers, headed if labels else bare)(config).save_pretrained(folder)
            tokenizer(has_types).save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def bert(write_model):
    """A tiny fine-tuned BERT; read only."""
    return write_model("bert")


@pytest.fixture(scope="session")
def bare(write_model):
    """A tiny bare BERT; read only."""
    return write_model("bert", labels=None)


@pytest.fixture(scope="session")
def texts():
    """Thirty texts of 1 to 30 words, among them unknown ones."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice([*WORDS, "zebra"], n)) for n in rng.integers(1, 31, 30)]


@pytest.fixture(scope="session")
def toy():
    """n, seed → texts and labels; what counts is one word, wherever it stands."""
    kinds = {0: ("bad", "dull"), 1: ("good", "great")}

    def make(n, seed=0, shares=(0.5, 0.5)):
        rng = np.random.default_rng(seed)
        labels = rng.choice(2, n, p=shares).astype(np.int64)
        filler = [w for w in WORDS if w not in ("bad", "dull", "good", "great", "not")]
        rows = []
        for label in labels:
            words = list(rng.choice(filler, rng.integers(2, 7)))
            words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(kinds[int(label)])))
            rows.append(" ".join(words))
        return rows, labels

    return make


@pytest.fixture(autouse=True)
def auto_is_float32(monkeypatch):
    """The default precision of a teacher is float32, whatever the processor: tests compare floats."""
    monkeypatch.setattr("understudy.teachers.bfloat16.auto_precision", lambda: "float32")


@pytest.fixture
def fast_bfloat16(monkeypatch):
    """This machine is quicker in bfloat16, whatever its processor."""
    speed = Bfloat16Speed(float32_ms=2.0, bfloat16_ms=1.0, has_instructions=True)
    monkeypatch.setattr("understudy.teachers.bfloat16.bfloat16_speed", lambda: speed)


@pytest.fixture
def slow_bfloat16(monkeypatch):
    """This machine has no instructions for bfloat16, whatever its processor."""
    speed = Bfloat16Speed(float32_ms=1.0, bfloat16_ms=9.0, has_instructions=False)
    monkeypatch.setattr("understudy.teachers.bfloat16.bfloat16_speed", lambda: speed)


@pytest.fixture
def key(monkeypatch):
    """The environment holds the key of the chat server."""
    monkeypatch.setenv("TEST_KEY", KEY)


@pytest.fixture
def chat(key):
    """Moods and options → a running chat server."""
    with ExitStack() as stack:
        yield lambda moods=(), **more: stack.enter_context(serve(Chat(moods, **more)))


@pytest.fixture
def offline(monkeypatch):
    """The hub's own offline switch, and a socket that fails the test where it is used all the same."""
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def refuse(*args, **kwargs):
        pytest.fail("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A function from the name of a public data set to its folder; the test is skipped where it is absent."""

    def folder(name: str) -> Path:
        root = os.environ.get("UNDERSTUDY_DATA")
        base = Path(root) if root else Path(__file__).parents[1] / ".." / "shared" / "data"
        if not (base / name).is_dir():
            pytest.skip(f"public data set {name!r} is not here; set UNDERSTUDY_DATA to a folder that has it")
        return (base / name).resolve()

    return folder


def pytest_collection_modifyitems(items):
    """README's blocks come first: one process runs them for minutes, while the other one does the rest."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")
