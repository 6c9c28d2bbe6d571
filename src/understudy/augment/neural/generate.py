"""Texts from a causal language model, fine-tuned on the task's own (Tang & Lin 2019, with GPT-2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from understudy.augment.neural.loading import (
    IGNORED,
    Ids,
    Model,
    Tokenizer,
    load,
    longest,
    pad,
    padding_id,
    sizes,
)
from understudy.augment.registry import MODEL, PathOption, StepContext, register
from understudy.core.checks import STRICT, check_choice, check_positive, check_shares
from understudy.core.configs import PRECISIONS
from understudy.core.manifest import digest
from understudy.core.progress import Progress, Silent
from understudy.core.task import IntArray, Item
from understudy.errors import DataError, RecipeError
from understudy.tokenization.batching import bucketed_batches

if TYPE_CHECKING:
    from torch import Tensor

    from understudy.optim.epochs import Epoch

TOGETHER = 128
"""Texts that are sampled together."""

ROUND = 16
"""Tokens by which they grow before finished texts leave and the others are batched again."""

HELD_BACK = 10
"""One in so many texts is not fine-tuned on, and chooses the best epoch."""


@dataclass(frozen=True)
class GenerateConfig:
    """A causal language model, fine-tuned on the task's texts, then sampled.

    Attributes:
        model: Folder or hub id, such as ``gpt2``.
        texts: Number of texts that are sampled, before duplicates are dropped.
        epochs: Epochs of fine-tuning; 0 samples the model as it is.
        learning_rate: Peak learning rate of fine-tuning.
        batch_size: Texts in a batch of fine-tuning.
        prefix_words: Each sample continues the first 1 to ``prefix_words`` words of a given text.
        temperature: Number that divides the logits.
        top_k: Only the ``top_k`` likeliest tokens are drawn; 0 draws from all.
        top_p: Only the likeliest tokens that together have this probability are drawn.
        most_tokens: Most tokens of a text, prefix included.
        separator: Stands between the two texts of a pair; a sample without exactly one is dropped.
        precision: ``float32``, or ``bfloat16``, which is faster where the machine has it.
    """

    __pydantic_config__: ClassVar = STRICT

    model: PathOption
    texts: int = 10_000
    epochs: int = 3
    learning_rate: float = 5e-5
    batch_size: int = 32
    prefix_words: int = 3
    temperature: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    most_tokens: int = 64
    separator: str = " ||| "
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_positive(
            texts=self.texts,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            prefix_words=self.prefix_words,
            temperature=self.temperature,
            most_tokens=self.most_tokens,
            top_p=self.top_p,
        )
        check_shares(top_p=self.top_p)
        check_choice("precision", self.precision, PRECISIONS)

        if min(self.epochs, self.top_k) < 0:
            raise RecipeError(f"epochs is {self.epochs} and top_k {self.top_k}: neither can be below 0.")
        if not self.separator.strip():
            raise RecipeError("separator is blank, but must tell the two texts of a pair apart.")


@register("generate", MODEL, config=GenerateConfig, source="Tang & Lin 2019")
def generate(config: GenerateConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """Load the model, fine-tune it on the items, and sample; one list a batch."""
    import torch

    model, tokenizer = load("generate", "CausalLM", config.model)
    if config.epochs:
        finetune(model, tokenizer, items, config, seed=tools.seed, progress=tools.progress)
    model.to(getattr(torch, config.precision))
    yield from sample(model, tokenizer, items, config, seed=tools.seed, progress=tools.progress)


def finetune(
    model: Model,
    tokenizer: Tokenizer,
    items: Sequence[Item],
    config: GenerateConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Fine-tune a causal language model in place, and return the curve.

    The best epoch is chosen on a tenth of the items, which are not trained on, because a step never sees dev
    or test. A text ends with the model's own end token.

    Raises:
        DataError: There is no text of two tokens or more.
    """
    import torch

    from understudy.optim.loop import LoopConfig, optimise

    rows = encode(tokenizer, _lines(items, config), longest(model, config.most_tokens), ends=True)
    rows = [row for row in rows if len(row) > 1]  # a single token predicts nothing
    if not rows:
        raise DataError("The language model cannot be fine-tuned: no text has two tokens or more.")

    train, dev = _held_back(len(rows), seed)
    lengths = sizes(rows)

    def loss(numbers: IntArray) -> Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            return _loss(model, [rows[n] for n in numbers.tolist()], padding_id(tokenizer))

    def score() -> tuple[float, float]:
        batches = np.split(dev, range(config.batch_size, len(dev), config.batch_size))
        value = float(np.mean([float(loss(batch)) for batch in batches]))
        return -value, -value

    return optimise(
        model,
        batches=lambda generator: [
            train[batch] for batch in bucketed_batches(lengths[train], config.batch_size, generator)
        ],
        loss=loss,
        score=score,
        config=LoopConfig(config.epochs, config.learning_rate),
        seed=seed,
        progress=progress,
        what="fine-tuning the language model",
    )


def _held_back(texts: int, seed: int) -> tuple[IntArray, IntArray]:
    """Numbers of the texts that are trained on, and of those that choose the epoch; a lone text does both."""
    order = np.random.default_rng(seed).permutation(texts)
    if texts == 1:
        return order, order
    back = max(1, texts // HELD_BACK)
    return order[back:], order[:back]


def sample(
    model: Model,
    tokenizer: Tokenizer,
    items: Sequence[Item],
    config: GenerateConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Iterator[list[Item]]:
    """Sample ``config.texts`` texts, each from the first words of a random item on; one list a batch.

    Texts grow in rounds of `ROUND` tokens. Texts of similar length share a batch, padded on the left, and the
    keys and values of their tokens are cached. A finished text leaves its batch at the end of the round.
    """
    if not items:
        return

    most = longest(model, config.most_tokens)
    starts = prefixes(_lines(items, config), config, seed)
    rows = [row for row in encode(tokenizer, starts, most - 1) if row]
    number = 0

    with (progress or Silent()).bar("sampling", len(rows), "texts") as advance:
        while rows:
            rows, unfinished = sorted(rows, key=len), []
            for start in range(0, len(rows), TOGETHER):
                batch_seed = int(digest([seed, number, start])[:12], 16)
                batch = rows[start : start + TOGETHER]
                grown = _grow(model, tokenizer, batch, most=most, config=config, seed=batch_seed)

                ended = [row for row in grown if _is_ended(row, tokenizer, most)]
                unfinished += [row for row in grown if not _is_ended(row, tokenizer, most)]
                lines = tokenizer.batch_decode(ended, skip_special_tokens=True)
                yield [item for line in lines if (item := _item(line, items, config))]
                advance(len(ended))
            rows, number = unfinished, number + 1


def prefixes(lines: Sequence[str], config: GenerateConfig, seed: int) -> list[str]:
    """The first 1 to ``prefix_words`` words of ``config.texts`` lines, drawn with replacement."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(len(lines), size=config.texts).tolist()
    words = generator.integers(1, config.prefix_words, size=config.texts, endpoint=True).tolist()
    return [" ".join(lines[row].split()[:count]) for row, count in zip(rows, words, strict=True)]


def encode(tokenizer: Tokenizer, lines: Sequence[str], most: int, *, ends: bool = False) -> list[list[int]]:
    """Token ids of lines, at most ``most`` each; with ``ends``, the end token is the last of them."""
    encoded = tokenizer(list(lines), add_special_tokens=False)["input_ids"]
    start = [] if tokenizer.bos_token_id in (None, tokenizer.eos_token_id) else [tokenizer.bos_token_id]
    end = [tokenizer.eos_token_id] if ends and tokenizer.eos_token_id is not None else []
    room = most - len(start) - len(end)
    return [[*start, *ids[:room], *end] for ids in encoded]


def _loss(model: Model, rows: Ids, fill: int) -> Tensor:
    from torch.nn.functional import cross_entropy

    ids, mask = pad(rows, fill, model.device)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    following = ids.masked_fill(mask == 0, IGNORED)[:, 1:]
    return cross_entropy(logits.transpose(1, 2), following, ignore_index=IGNORED).cpu()


def _grow(
    model: Model, tokenizer: Tokenizer, rows: Ids, *, most: int, config: GenerateConfig, seed: int
) -> list[list[int]]:
    """The rows with up to `ROUND` more tokens; a text that ends has the end token as its last."""
    import torch

    ids, mask = pad(rows, padding_id(tokenizer), model.device, left=True)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        sampled = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            max_new_tokens=min(ROUND, most - ids.shape[1]),
            pad_token_id=padding_id(tokenizer),
            eos_token_id=tokenizer.eos_token_id,
        )

    more = sampled[:, ids.shape[1] :].tolist()
    return [[*row, *_to_end(new, tokenizer.eos_token_id)] for row, new in zip(rows, more, strict=True)]


def _to_end(tokens: list[int], end: int | None) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def _is_ended(row: Sequence[int], tokenizer: Tokenizer, most: int) -> bool:
    return row[-1] == tokenizer.eos_token_id or len(row) >= most


def _lines(items: Sequence[Item], config: GenerateConfig) -> list[str]:
    return [item if isinstance(item, str) else config.separator.join(item) for item in items]


def _item(line: str, items: Sequence[Item], config: GenerateConfig) -> Item | None:
    """The sampled text or pair, or ``None`` where the line is blank, or not a pair."""
    if isinstance(items[0], str):
        return " ".join(line.split()) or None
    parts = [" ".join(part.split()) for part in line.split(config.separator.strip())]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None
