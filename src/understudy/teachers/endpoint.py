"""A teacher behind an OpenAI-compatible chat endpoint: every answer is bought, so none is bought twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from understudy.errors import TeacherError
from understudy.task import FloatArray, Item, Task
from understudy.teachers.answering import (
    Lookup,
    MalformedError,
    hard_row,
    read_columns,
    soft_row,
    votes_row,
)
from understudy.teachers.pacing import Pace
from understudy.teachers.prompting import Prompt
from understudy.teachers.purse import Bill, BudgetSpentError, Purse
from understudy.teachers.replies import Line, Reply, StoppedError, UnansweredError
from understudy.teachers.settings import EndpointConfig

DEAD = 3
"""Texts a thread that may stay unanswered in a row before the server is taken to be down."""


@dataclass(frozen=True)
class Record:
    """One thing that happened, for a ledger: a request was paid, a text was answered, or both.

    Attributes:
        item: that it was about; ``None`` where only the bill matters.
        bill: what was paid for it.
        row: logits ``(labels,)`` of the text, once they are there.
        how: ``soft``, ``hard`` or ``votes``; empty where there is no row.
        fault: what was wrong with an answer.
    """

    item: Item | None
    bill: Bill
    row: FloatArray | None = None
    how: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one text.

    Attributes:
        item: the text.
        row: its logits ``(labels,)``; ``None`` where there are none.
        how: ``soft``, ``hard`` or ``votes``.
        fault: why there are none.
        is_final: whether asking again would be vain: the answers were malformed, or the text is refused.
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
        config: which endpoint, and how it is asked.
        task: label names, in the order of the logits' columns.
        spent: in earlier runs.
        record: called from several threads with everything that costs money or decides a row, at once.
        seed: of the jitter of pauses.

    Raises:
        TeacherError: a kind of task that cannot be asked, other labels, no key.
        MissingExtraError: the client is not installed.
    """

    def __init__(
        self,
        config: EndpointConfig,
        task: Task,
        *,
        spent: Bill | None = None,
        record: Callable[[Record], None] | None = None,
        seed: int = 0,
    ) -> None:
        self.config, self.task = config, task
        self.prompt = Prompt(config, task)
        self._record = record or (lambda _: None)
        self.purse, self._pace = Purse(config, spent), Pace(config.requests_per_minute, seed)
        self._line = Line(config, self.purse, self._pace, self._on_lost)
        self._by_code = Lookup(task.labels, self.prompt.codes, by_code=True)
        self._by_name = Lookup(task.labels, self.prompt.codes, by_code=False)
        self._gave_logprobs = False
        self.stopped_by = ""

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.config.model

    @property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        return self.prompt.fingerprint

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)`` of texts, each of which must be answered.

        Raises:
            TeacherError: a text has no usable answer, or the budget is spent.
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

        Ends early where the budget is spent. Whoever leaves the loop early leaves requests in flight to be
        recorded, and none is sent after them.

        Raises:
            TeacherError: the server refuses to answer at all, or seems to be down.
        """
        queue = iter(dict.fromkeys(items))
        self._pace.stopped.clear()
        pool = ThreadPoolExecutor(self.config.concurrency, thread_name_prefix="endpoint")
        unanswered, is_spent = 0, False
        try:
            flying: set[Future[Outcome]] = set()
            while True:
                if not is_spent:
                    more = islice(queue, self.config.concurrency - len(flying))
                    flying |= {pool.submit(self.ask, item) for item in more}
                if not flying:
                    return
                landed, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in landed:
                    try:
                        outcome = future.result()
                    except BudgetSpentError as error:
                        is_spent, self.stopped_by = True, str(error)
                        continue
                    unanswered = 0 if outcome.row is not None or outcome.is_final else unanswered + 1
                    yield outcome
                self._check_alive(unanswered, landed)
        finally:
            self._pace.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _check_alive(self, unanswered: int, landed: set[Future[Outcome]]) -> None:
        if unanswered >= DEAD * self.config.concurrency:
            faults = [future.result().fault for future in landed if not future.exception()]
            raise TeacherError(
                f"The endpoint {self.config.base_url} left {unanswered} texts in a row unanswered and seems "
                f"to be down. {faults[-1] if faults else ''} What was bought is kept: run again to continue."
            )

    def ask(self, item: Item) -> Outcome:
        """Ask for one item until it has a row, or too many answers were malformed.

        Raises:
            BudgetSpentError: before it had one.
            TeacherError: the server refuses to answer at all.
        """
        try:
            if self.config.targets == "votes":
                return self._votes(item)
            return self._one(item)
        except MalformedError as error:
            return Outcome(item, fault=str(error), is_final=True)
        except StoppedError as error:
            return Outcome(item, fault=str(error))
        except UnansweredError as error:
            return Outcome(item, fault=str(error), is_final="refuses this text" in str(error))

    def _one(self, item: Item) -> Outcome:
        def read(reply: Reply, by_code: bool) -> tuple[FloatArray, str]:
            if by_code and (row := self._soft(reply)) is not None:
                return row, "soft"
            return hard_row(self._columns(reply, by_code), self.task, self.config.smoothing), "hard"

        row, how = self._repaired(item, read, lambda found: {"row": found[0], "how": found[1]})
        return Outcome(item, row, how)

    def _votes(self, item: Item) -> Outcome:
        votes: list[tuple[int, ...]] = []
        for number in range(self.config.samples):
            is_last = number + 1 == self.config.samples

            def facts(columns: tuple[int, ...], is_last: bool = is_last) -> dict[str, Any]:
                votes.append(columns)
                return {"row": self._voted(votes), "how": "votes"} if is_last else {}

            self._repaired(item, self._columns, facts)
        return Outcome(item, self._voted(votes), "votes")

    def _voted(self, votes: Sequence[tuple[int, ...]]) -> FloatArray:
        return votes_row(votes, self.task, self.config.smoothing)

    def _repaired(self, item: Item, read: Callable[[Reply, bool], Any], facts: Callable[[Any], Any]) -> Any:
        """Ask until an answer can be read, and record every answer that was paid.

        Args:
            item: to ask for.
            read: reply, and whether it was asked by code → what is found in it.
            facts: what is found → what the record says of it.
        """
        fault = ""
        for _ in range(self.config.repairs + 1):
            by_code = self._asks_by_code
            reply = self._line.send(
                self._body(item, by_code=by_code), self.prompt.tokens(item, by_code=by_code)
            )
            try:
                found = read(reply, by_code)
            except MalformedError as error:
                fault = str(error)
                self._record(Record(item, reply.bill, fault=fault))
            else:
                self._record(Record(item, reply.bill, **facts(found)))
                return found
        raise MalformedError(fault)

    @property
    def _asks_by_code(self) -> bool:
        """Whether soft targets are hoped for."""
        if self.config.targets == "auto":
            return not self.prompt.is_many and self._line.takes("logprobs")
        return self.config.targets == "soft"

    def _body(self, item: Item, *, by_code: bool) -> dict[str, Any]:
        body: dict[str, Any] = {"messages": self.prompt.messages(item, by_code=by_code)}
        body["max_tokens"] = self.config.max_tokens
        body["temperature"] = self.config.temperature if self.config.targets == "votes" else 0.0
        if by_code:
            return {**body, "logprobs": True}
        return {**body, "response_format": self.prompt.response_format}

    def _soft(self, reply: Reply) -> FloatArray | None:
        """The distribution of the first token, where there is one, or has to be one."""
        if self.config.targets == "soft" and not self._line.takes("logprobs"):
            raise TeacherError(
                f"The endpoint {self.config.base_url} gives no log-probabilities, so there are no soft "
                "targets to buy. Choose teacher.endpoint.targets: auto, hard or votes."
            )
        row = soft_row(reply.text, reply.tops, self._by_code, len(self.task.labels))
        self._gave_logprobs |= reply.has_logprobs
        if row is None and self.config.targets == "soft":
            lacks = "The first token is no code" if reply.has_logprobs else "Log-probabilities are missing"
            raise MalformedError(f"{lacks}: {reply.text[:80]!r}.")
        if not self._gave_logprobs and self.config.targets == "auto":
            self._line.give_up("logprobs")  # a server that never gave any: ask for JSON instead
        return row

    def _columns(self, reply: Reply, by_code: bool) -> tuple[int, ...]:
        if not reply.text.strip():
            raise MalformedError(f"The answer is empty (finish reason {reply.finish!r}).")
        lookup = self._by_code if by_code else self._by_name
        return read_columns(reply.text, lookup, is_many=self.prompt.is_many)

    def _on_lost(self, bill: Bill, fault: str) -> None:
        self._record(Record(None, bill, fault=fault))


@contextlib.contextmanager
def opened(config: EndpointConfig, task: Task, **more: Any) -> Iterator[Endpoint]:
    """An `Endpoint` whose connections are closed in the end."""
    endpoint = Endpoint(config, task, **more)
    try:
        yield endpoint
    finally:
        endpoint.close()
