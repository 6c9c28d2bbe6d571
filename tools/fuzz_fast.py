"""Random strings through the C extension and through the reference path: the same ids, the same logits.

    python tools/fuzz_fast.py [--count 1000000] [--seed 0] [--level 2]

Each string goes through all three splitting rules. Every id must be that of `words.py` or of the `tokenizers`
library; logits must be within 1e-5 of ONNX Runtime's. The script shows the first difference and ends with
exit code 1. `tests/runtime/test_fast_core.py` runs some thousands of strings in the same way.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from understudy._fast import Student
from understudy.core.task import Task
from understudy.data.load import load_dataset
from understudy.export.folder import export
from understudy.runtime import Model, load
from understudy.students import build
from understudy.tokenization.ngrams import Vocabulary
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import build_vocabulary
from understudy.training.torch_student import TorchStudent

CHUNK = 5_000
TOLERANCE = 1e-5
LABELS = ("bad", "fair", "good")
SPECIALS = ["[PAD]", "[UNK]", "[MASK]", "[CLS]", "[SEP]"]
STRANGE = [
    "[CLS]", "[MASK]", "[", "’", "é", "É", "ñ", "ü", "ß", "İ", "ı", "Σ", "ς", "ǅ", "\u212a", "\u212b", "Ⱥ",
    "日本語", "漢", "한국어", "ไทย", "हिन्दी", "🙂", "👩‍👧", "\u0301", "\u0334", "\u0345", "\u200b",
    "\ufeff", "\x00", "\x7f", "\x85", "\xad", "\ufffd", "\ud83d", "\ude42", "\u302e", "\u037e", "\u2028",
    "\ufb01", "ŉ", "x" * 101,
]  # fmt: skip
"""Words and letters that splitters treat apart."""

STRETCHES = (
    (0x00, 0x80), (0x80, 0x250), (0x250, 0x530), (0x300, 0x370), (0x590, 0xE80), (0x1AB0, 0x1F00),
    (0x1E00, 0x2000), (0x2000, 0x2C00), (0x3000, 0x3400), (0x4E00, 0x5000), (0xA640, 0xAC00),
    (0xAC00, 0xD7B0), (0xD800, 0xE000), (0xF900, 0xFB50), (0xFE00, 0x10000), (0x10400, 0x10600),
    (0x1D400, 0x1D800), (0x1E900, 0x1FB00), (0x0, 0x110000),
)  # fmt: skip
"""Where code points are drawn from: marks, letters with case, surrogates, signs, and everything."""


def strings(words: Sequence[str], generator: np.random.Generator) -> Iterator[str]:
    """Endless strings: noise, bytes, words with and without noise in them, very long words, many pieces."""
    while True:
        kind, length = generator.integers(6), int(generator.integers(0, 40))

        if kind == 0:
            yield bytes(generator.integers(0, 256, length, dtype=np.uint8)).decode("latin-1")
        elif kind == 1:
            first, last = STRETCHES[generator.integers(len(STRETCHES))]
            yield "".join(map(chr, generator.integers(first, last, length)))
        elif kind == 2:
            letters = map(chr, generator.integers(*STRETCHES[generator.integers(12)], length))
            yield "".join(letters) + "".join(generator.choice(STRANGE, 5))
        elif kind == 3:
            yield " ".join(generator.choice(words, length)).title()
        elif kind == 4:
            glue = generator.choice(["", " ", "-", "'", "_", "’", "\t"], length)
            yield "".join(w + g for w, g in zip(generator.choice(words, length), glue, strict=True))
        else:
            mixed = [*generator.choice(words, length), *generator.choice(STRANGE, 3)]
            generator.shuffle(mixed)
            yield str(generator.choice(["", " "])).join(mixed) * int(generator.choice([1, 1, 1, 60]))


def bert_like(texts: Sequence[str], size: int) -> SubwordVocabulary:
    """A small tokeniser of exactly the kind of uncased BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    return SubwordVocabulary(json.loads(tokenizer.to_str()), 100)


def vocabularies(texts: Sequence[str]) -> dict[str, Vocabulary]:
    """One for each rule of splitting, and one that reads only a text's beginning."""
    some = [
        *texts,
        *(text.replace("e", "é", 1) for text in texts[:500]),
        *(text.upper() for text in texts[:100]),
    ]
    return {
        "words": build_vocabulary(some, 2000),
        "words, cut": build_vocabulary(some, 500).cut(7),
        "pieces": train_wordpiece(some, 1500),
        "bert": bert_like(some, 1500),
    }


def student(name: str, vocabulary: Vocabulary, folder: Path) -> Model:
    """An exported student with large random weights."""
    sizes = {"buckets": 500} if name == "dan.v1" else {}
    module = build(name, len(LABELS), seed=1, vocabulary_size=len(vocabulary), width=13, **sizes).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    export(TorchStudent(name, module, vocabulary, Task(LABELS)), folder, teacher={}, about={})
    return load(folder)


class Differ:
    """Compares both paths of one student.

    Args:
        what: Name of the student and its vocabulary.
        model: The exported student.
        level: Kind of processor that may be used at most: 0 any, 1 AVX2, 2 AVX-512.
    """

    def __init__(self, what: str, model: Model, level: int) -> None:
        self.what = what
        self.slow = Model(model.task, model.config, model.layout)
        self.left = 0
        self.largest = 0.0
        self.core = Student(model.layout.fast.read_bytes(), LABELS, self._reference, level)

    def _reference(self, text: str) -> list[int]:
        self.left += 1
        return self.slow.vocabulary.encode(text)

    def ids(self, texts: list[str]) -> None:
        """Stop at the first text with other ids."""
        ids, lengths = self.slow.vocabulary.encode_batch(texts)
        flat, found = (np.frombuffer(part, dtype=np.int64) for part in self.core.encode_batch(texts))
        if np.array_equal(ids, flat) and np.array_equal(lengths, found):
            return
        for text in texts:
            expected, got = self.slow.vocabulary.encode(text), self.core.encode(text)
            if expected != got:
                sys.exit(f"{self.what}: {text!r}\n  reference {expected}\n  extension {got}")

    def logits(self, texts: list[str]) -> None:
        """Stop at the first text with other logits."""
        found = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        self.core.fill(texts, found)
        expected = self.slow.logits(texts)
        difference = np.abs(found - expected).max(axis=1)
        worst = int(difference.argmax())
        self.largest = max(self.largest, float(difference[worst]))
        if not self.largest <= TOLERANCE:
            sys.exit(
                f"{self.what}: {texts[worst]!r}\n  reference {expected[worst]}\n  extension {found[worst]}"
            )


def compare(differs: Mapping[tuple[str, str], Differ], texts: list[str]) -> None:
    """Compare ids and logits of some strings."""
    for (name, _), differ in differs.items():
        if name == "cbow.v1":  # both students read the same ids
            differ.ids(texts)
        differ.logits(texts[:: 1 if name == "cbow.v1" else 4])  # n-grams make `dan.v1` slower


def main() -> None:
    """Fuzz, and say what was done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="number of strings")
    parser.add_argument("--seed", type=int, default=0, help="seed of the strings")
    parser.add_argument("--level", type=int, default=2, help="0 any processor, 1 AVX2, 2 AVX-512 at most")
    arguments = parser.parse_args()

    texts = list(load_dataset("bundled:concierge").train.texts)
    words = sorted({word for text in texts for word in text.split()})
    drawn = strings(words, np.random.default_rng(arguments.seed))
    with tempfile.TemporaryDirectory() as root:
        differs = {}
        for kind, vocabulary in vocabularies(texts).items():
            for name in ("cbow.v1", "dan.v1"):
                model = student(name, vocabulary, Path(root) / f"{name}-{kind}")
                differs[name, kind] = Differ(f"{name}, {kind}", model, arguments.level)

        for start in range(0, arguments.count, CHUNK):
            compare(differs, list(itertools.islice(drawn, min(CHUNK, arguments.count - start))))

    print(f"{arguments.count:,} strings, seed {arguments.seed}, level {arguments.level}: every id the same.")
    for differ in differs.values():
        print(
            f"  {differ.what:<19} logits within {differ.largest:.1e}; {differ.left:,} calls of the reference"
        )


if __name__ == "__main__":
    main()
