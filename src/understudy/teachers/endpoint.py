"""A teacher behind an OpenAI-compatible chat endpoint: every answer is bought, so none is bought twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from understudy.core.task import FloatArray, Item, Task
from understudy.errors import TeacherError
from understudy.teachers.answers import Lookup, hard_row, read_columns, soft_row, votes_row
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.completion import Reply
from understudy.teachers.chat.dispatch import Dispatcher, Question
from understudy.teachers.chat.parsing import MalformedError
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.prompt import Prompt

Answered = tuple[FloatArray, str]
"""Logits ``(labels,)``, and how they came: ``soft``, ``hard`` or ``votes``."""

Vote = tuple[int, ...]
"""Columns of the labels that an answer named: one, or in multilabel any number."""

A = TypeVar("A")


@dataclass(frozen=True)
class Record:
    """One event for a ledger: a request was paid, a text was answered, or both.

    Attributes:
        item: The item that was asked about; ``None`` where only the payment matters.
        bill: What was paid.
        row: Logits ``(labels,)`` of the text, once they are known.
        how: ``soft``, ``hard`` or ``votes``; empty where there is no row.
        fault: What was wrong with an answer.
        vote: Columns of the labels that one answer out of several named.
    """

    item: Item | None
    bill: Usage
    row: FloatArray | None = None
    how: str = ""
    fault: str = ""
    vote: Vote | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one text.

    Attributes:
        item: The text.
        row: Its logits ``(labels,)``; ``None`` where there are none.
        how: ``soft``, ``hard`` or ``votes``.
        fault: Why there are none.
        is_final: Whether it is not worth asking again: the answers were malformed, or the text is refused.
    """

    item: Item
    row: FloatArray | None = None
    how: str = ""
    fault: str = ""
    is_final: bool = False


class Endpoint:
    """A Predictor whose answers are bought.

    Logits are centred log-probabilities. Where the server gives those of tokens, they are the model's own
    (``soft``); else those of a smoothed answer (``hard``) or of votes (``votes``).

    Args:
        config: Which endpoint, and how it is asked.
        task: Label names, in the order of the logits' columns.
        spent: What earlier runs paid.
        record: Called at once, from several threads, with everything that costs money or decides a row.
        votes: Item → the votes recorded for it in earlier runs, which are not asked for again.
        seed: Seed of the jitter added to waiting times.

    Raises:
        TeacherError: The kind of task cannot be asked, the labels differ, or there is no key.
        MissingExtraError: The client library is not installed.
    """

    def __init__(
        self,
        config: EndpointConfig,
        task: Task,
        *,
        spent: Usage | None = None,
        record: Callable[[Record], None] | None = None,
        votes: Callable[[Item], Sequence[Vote]] | None = None,
        seed: int = 0,
    ) -> None:
        self.config, self.task = config, task
        self.prompt = Prompt(config, task)
        self._record = record or (lambda _: None)
        self._earlier = votes or (lambda _: ())
        self._dispatcher = Dispatcher(config, spent=spent, on_lost=self._on_lost, seed=seed)
        self.budget, self._client = self._dispatcher.budget, self._dispatcher.client
        self._by_code = Lookup(task.labels, self.prompt.codes, by_code=True)
        self._by_name = Lookup(task.labels, self.prompt.codes, by_code=False)
        self._gave_logprobs = False

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.config.model

    @property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        return self.prompt.fingerprint

    @property
    def stopped_by(self) -> str:
        """Why `outcomes` ended early; empty where it did not."""
        return self._dispatcher.stopped_by

    def close(self) -> None:
        """Close the connections."""
        self._dispatcher.close()

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)`` of texts, each of which must be answered.

        Raises:
            TeacherError: A text has no usable answer, or the budget is spent.
        """
        rows: dict[Item, FloatArray] = {}
        for outcome in self.outcomes(texts):
            if outcome.row is None:
                raise TeacherError(f"The endpoint gave no usable answer. {outcome.fault}")
            rows[outcome.item] = outcome.row
        if missing := [text for text in texts if text not in rows]:
            raise TeacherError(f"The budget is spent, and {len(missing):,} texts are not answered.")
        return np.stack([rows[text] for text in texts])

    def outcomes(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Ask for every distinct item, several at a time; outcomes as they come.

        Ends early where the budget is spent. When the loop is left early, requests in flight are still
        recorded, and none is sent after them.

        Raises:
            TeacherError: The server refuses to answer at all, or seems to be down.
        """
        ask = self._votes if self.config.targets == "votes" else self._one
        for asked in self._dispatcher.each(items, ask):
            row, how = asked.answer or (None, "")
            yield Outcome(asked.item, row, how, asked.fault, asked.is_final)

    def _one(self, item: Item) -> Answered:
        def keep(bill: Usage, answer: Answered | None, fault: str) -> None:
            row, how = answer or (None, "")
            self._record(Record(item, bill, row, how, fault))

        def read(reply: Reply, by_code: bool) -> Answered:
            if by_code and (row := self._soft(reply)) is not None:
                return row, "soft"
            return hard_row(self._columns(reply, by_code), self.task, self.config.smoothing), "hard"

        return self._dispatcher.until_read(lambda: self._question(item, read), keep)

    def _votes(self, item: Item) -> Answered:
        votes = list(self._earlier(item))

        def keep(bill: Usage, vote: Vote | None, fault: str) -> None:
            if vote is not None:
                votes.append(vote)
            is_last = vote is not None and len(votes) == self.config.samples
            row = self._voted(votes) if is_last else None
            self._record(Record(item, bill, row, "votes" if is_last else "", fault, vote))

        while len(votes) < self.config.samples:
            self._dispatcher.until_read(lambda: self._question(item, self._columns), keep)
        return self._voted(votes), "votes"

    def _voted(self, votes: Sequence[Vote]) -> FloatArray:
        return votes_row(votes, self.task, self.config.smoothing)

    def _question(self, item: Item, read: Callable[[Reply, bool], A]) -> Question[A]:
        """The next request for an item; ``read`` is told whether it was asked by code."""
        by_code = self._asks_by_code
        tokens = self.prompt.tokens(item, by_code=by_code)
        return Question(self._body(item, by_code=by_code), tokens, lambda reply: read(reply, by_code))

    @property
    def _asks_by_code(self) -> bool:
        """Whether to ask for a code, whose log-probabilities are soft targets."""
        if self.config.targets == "auto":
            return not self.prompt.is_many and self._client.takes("logprobs")
        return self.config.targets == "soft"

    def _body(self, item: Item, *, by_code: bool) -> dict[str, object]:
        body: dict[str, object] = {"messages": self.prompt.messages(item, by_code=by_code)}
        body["max_tokens"] = self.config.max_tokens
        body["temperature"] = self.config.temperature if self.config.targets == "votes" else 0.0
        if by_code:
            return {**body, "logprobs": True}
        return {**body, "response_format": self.prompt.response_format}

    def _soft(self, reply: Reply) -> FloatArray | None:
        """The distribution of the first token; ``None`` where there is none and none is required."""
        if self.config.targets == "soft" and not self._client.takes("logprobs"):
            raise TeacherError(
                f"The endpoint {self.config.base_url} gives no log-probabilities, so there are no soft "
                "targets to buy. Choose teacher.endpoint.targets: auto, hard or votes."
            )

        row = soft_row(reply.text, reply.tops, self._by_code, len(self.task.labels))
        self._gave_logprobs |= reply.has_logprobs
        if row is None and self.config.targets == "soft":
            lacks = "The first token is not a code" if reply.has_logprobs else "Log-probabilities are missing"
            raise MalformedError(f"{lacks}: {reply.text[:80]!r}.")

        if reply.text.strip() and not self._gave_logprobs and self.config.targets == "auto":
            self._client.give_up("logprobs")  # a server that never gave any: ask for JSON instead
        return row

    def _columns(self, reply: Reply, by_code: bool) -> Vote:
        if not reply.text.strip():
            raise MalformedError(f"The answer is empty (finish reason {reply.finish!r}).")
        lookup = self._by_code if by_code else self._by_name
        return read_columns(reply.text, lookup, is_many=self.prompt.is_many)

    def _on_lost(self, bill: Usage, fault: str) -> None:
        self._record(Record(None, bill, fault=fault))


@contextlib.contextmanager
def opened(config: EndpointConfig, task: Task, **more: Any) -> Iterator[Endpoint]:
    """An `Endpoint` whose connections are closed at the end of the block."""
    endpoint = Endpoint(config, task, **more)
    try:
        yield endpoint
    finally:
        endpoint.close()
