"""Train the language models that the steps `mlm` and `generate` run, from texts alone and without a network.

    python tools/language_models.py masked DATA models/mlm
    python tools/language_models.py causal DATA models/causal

DATA is what `understudy distill` takes. Texts are those that a student may learn from: labelled ones of
training, unlabelled ones, and sentences cut from ``--documents``. Perplexity is told on dev, which nothing is
trained on or chosen by.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import transformers
import typer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn.functional import cross_entropy

from understudy.augment.neural.loading import IGNORED, Ids, pad, sizes
from understudy.augment.sentences import SentencesConfig, cut_into_sentences
from understudy.core.task import Item
from understudy.data import load_dataset
from understudy.data.leakage import drop_known
from understudy.data.unlabelled import read_pool
from understudy.teachers.loading import quiet
from understudy.teachers.source import DEFAULT, SHORT_NAMES, resolve
from understudy.tokenization.batching import bucketed_batches, budgeted_batches

Loss = Callable[[Ids, np.random.Generator], tuple[Tensor, int]]
"""Token ids of texts, generator → the sum of the losses of tokens, and how many tokens these are."""


class Kind(StrEnum):
    """What the model learns to guess."""

    MASKED = "masked"
    CAUSAL = "causal"


MASKED_SHARE = 0.2
"""Of the tokens of a text, those that a masked model has to guess at once."""

LONGEST = 128
"""Tokens of a text that are learnt from."""

END = "<|endoftext|>"
PIECES, LAYERS, WIDTH = 8000, 4, 256
"""Of the causal model."""

RATES = {Kind.MASKED: 1e-4, Kind.CAUSAL: 1e-3}
NEW_FACTOR = 10
"""How much faster those weights learn that a masked model's folder did not hold."""

WARM_UP = 0.06
"""Share of the steps in which the learning rate rises; then it falls to zero."""


@dataclass(frozen=True)
class Learner:
    """A model that is to be trained, with its tokeniser and the loss that it has on texts.

    Attributes:
        new: Names of the parameters that learn `NEW_FACTOR` times as fast.
    """

    model: Any
    tokenizer: Any
    loss: Loss
    new: frozenset[str] = frozenset()


def main(
    kind: Kind,
    data: str,
    out: Path,
    *,
    model: Annotated[
        str, typer.Option(help="Masked: what to begin with; its head may be missing.")
    ] = DEFAULT,
    unlabelled: Annotated[list[str] | None, typer.Option(help="Files of further texts.")] = None,
    documents: Annotated[list[str] | None, typer.Option(help="Files of texts to cut into sentences.")] = None,
    most_sentences: Annotated[int, typer.Option(help="Of these sentences, so many are drawn.")] = 60_000,
    lower: Annotated[bool, typer.Option(help="Make these sentences lower case.")] = False,
    steps: int = 1500,
    batch: int = 64,
    seed: int = 0,
) -> None:
    """Train a model on the texts and write its folder; say its perplexity on dev before and after."""
    torch.manual_seed(seed)
    train, dev = read(data, unlabelled or (), documents or (), most_sentences, is_lower=lower, seed=seed)
    print(f"{len(train):,} texts to learn from, {len(dev):,} of dev to judge by")
    learner = masked(model, train) if kind is Kind.MASKED else causal(train)
    learner.model.eval()
    rows, judge = (encode(learner.tokenizer, texts, ends=kind is Kind.CAUSAL) for texts in (train, dev))
    size = sum(p.numel() for p in learner.model.parameters())
    print(f"{size:,} parameters, perplexity {perplexity(learner, judge):,.1f}")

    started = time.process_time()
    tokens = optimise(learner, rows, steps=steps, batch=batch, rate=RATES[kind], seed=seed)
    seconds = time.process_time() - started
    print(f"{steps:,} steps, {tokens:,} tokens, {tokens / seconds:,.0f} of them a second of processor time")
    print(f"perplexity {perplexity(learner, judge):,.1f}")
    with quiet():
        learner.model.save_pretrained(out)
        learner.tokenizer.save_pretrained(out)


def read(
    data: str, unlabelled: Sequence[str], documents: Sequence[str], most: int, *, is_lower: bool, seed: int
) -> tuple[list[str], list[str]]:
    """Texts to learn from, and texts of dev; what stands in dev or test is not among the former."""
    found = load_dataset(data, unlabelled=tuple(unlabelled))
    cut: list[Item] = []
    if documents:
        config = SentencesConfig(is_penn_spaced=True)
        cut = [text for part in cut_into_sentences(config, read_pool(documents).texts) for text in part]
        rows = np.random.default_rng(seed).permutation(len(cut))[:most].tolist()
        cut = [str(cut[row]).lower() if is_lower else cut[row] for row in rows]
    kept, _ = drop_known(cut, (), (*found.dev.texts, *found.test.texts))
    return flat([*found.train.texts, *found.unlabelled, *kept]), flat(found.dev.texts)


def flat(items: Sequence[Item]) -> list[str]:
    """Distinct texts; of pairs, both."""
    parts = (part for item in items for part in ((item,) if isinstance(item, str) else item))
    return list(dict.fromkeys(parts))


def masked(name: str, texts: Sequence[str]) -> Learner:
    """A masked language model, from a folder that may hold an encoder alone.

    A new head begins with how frequent each piece is, which it would take thousands of steps to learn.
    """
    place = resolve(name).location if name in SHORT_NAMES else name
    with quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        model, about = transformers.AutoModelForMaskedLM.from_pretrained(
            place, dtype=torch.float32, output_loading_info=True
        )
    new = frozenset(about["missing_keys"])
    head = model.get_output_embeddings()
    if new:
        seen = np.concatenate(tokenizer(list(texts), add_special_tokens=False)["input_ids"])
        counts = np.bincount(seen, minlength=len(head.bias)) + 0.1
        model.tie_weights()
        head.bias.data.copy_(torch.from_numpy(np.log(counts / counts.sum())))
    print(f"new weights: {', '.join(sorted(new)) or 'none'}")

    def loss(rows: Ids, generator: np.random.Generator) -> tuple[Tensor, int]:
        ids, mask = pad(rows, tokenizer.pad_token_id, model.device)
        inner = torch.zeros_like(mask, dtype=torch.bool)
        for row, tokens in enumerate(rows):
            chosen = generator.permutation(len(tokens) - 2)[: max(1, round(MASKED_SHARE * (len(tokens) - 2)))]
            inner[row, chosen + 1] = True
        guessed = ids[inner]
        hook = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][inner],))  # guess no other place
        try:
            logits = model(
                input_ids=ids.masked_fill(inner, tokenizer.mask_token_id), attention_mask=mask
            ).logits
        finally:
            hook.remove()
        return cross_entropy(logits.float(), guessed, reduction="sum"), len(guessed)

    return Learner(model, tokenizer, loss, new)


def causal(texts: Sequence[str]) -> Learner:
    """A small model of GPT-2's architecture with random weights, and byte-level pieces of the texts' own."""
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    own.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=PIECES, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=own, bos_token=END, eos_token=END)
    end = tokenizer.eos_token_id
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=LONGEST, n_embd=WIDTH, n_layer=LAYERS, n_head=WIDTH // 64,
        bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)

    def loss(rows: Ids, generator: np.random.Generator) -> tuple[Tensor, int]:  # noqa: ARG001
        ids, mask = pad(rows, end, model.device)
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        following = ids.masked_fill(mask == 0, IGNORED)[:, 1:]
        count = int(mask[:, 1:].sum())
        return cross_entropy(
            logits.transpose(1, 2).float(), following, ignore_index=IGNORED, reduction="sum"
        ), count

    return Learner(model, tokenizer, loss)


def encode(tokenizer: Any, texts: Sequence[str], *, ends: bool) -> list[list[int]]:
    """Token ids; with the end token where ``ends``, else with what the tokeniser puts around a text."""
    if not ends:
        rows = tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
        return [row for row in rows if len(row) > 2]
    rows = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return [[*row[: LONGEST - 1], tokenizer.eos_token_id] for row in rows if row]


def optimise(learner: Learner, rows: Ids, *, steps: int, batch: int, rate: float, seed: int) -> int:
    """Train by AdamW, with products in bfloat16; the number of tokens that were read.

    There is no dropout: hardly a text is seen twice.
    """
    generator, lengths, read = np.random.default_rng(seed), sizes(rows), 0
    named = list(learner.model.named_parameters())
    groups = [
        {"params": [p for name, p in named if (name in learner.new) == is_new], "peak": rate * factor}
        for is_new, factor in ((False, 1), (True, NEW_FACTOR))
    ]
    adam = torch.optim.AdamW(groups, lr=rate, weight_decay=0.01, fused=True)

    queue: list[Any] = []
    for step in range(steps):
        queue = queue or bucketed_batches(lengths, batch, generator)
        chosen = [rows[row] for row in queue.pop().tolist()]
        for group in adam.param_groups:
            group["lr"] = group["peak"] * min((step + 1) / (WARM_UP * steps), 1 - step / steps)
        with torch.autocast("cpu", torch.bfloat16):
            total, count = learner.loss(chosen, generator)
        adam.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(learner.model.parameters(), 1.0)
        adam.step()
        read += sum(map(len, chosen))
        if step % 100 == 0:
            print(f"step {step:,}: loss {total.item() / count:.2f}", flush=True)
    return read


def perplexity(learner: Learner, rows: Ids) -> float:
    """Of a token: of the masked ones (always the same ones), or of all but each text's first."""
    generator, total, tokens = np.random.default_rng(0), 0.0, 0
    with torch.inference_mode():
        for batch in budgeted_batches(sizes(rows), 2048):
            value, count = learner.loss([rows[row] for row in batch.tolist()], generator)
            total, tokens = total + float(value), tokens + count
    return math.exp(total / tokens)


if __name__ == "__main__":
    typer.run(main)
