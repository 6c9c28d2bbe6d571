"""Many things asked of a chat server: several at a time, within a budget, until each answer can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from understudy.errors import TeacherError
from understudy.teachers.chat.budget import Budget, BudgetSpentError, Usage
from understudy.teachers.chat.client import ChatClient, RefusedError, StoppedError, UnansweredError
from understudy.teachers.chat.completion import Reply
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.parsing import MalformedError
from understudy.teachers.chat.rate_limit import RateLimiter

DEAD = 3
"""Items a thread that may stay unanswered in a row before the server is taken to be down."""

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Question(Generic[A]):
    """One request.

    Attributes:
        body: ``messages`` and further fields, as `ChatClient.send` takes them.
        tokens: of prompt and answer, about.
        read: reply → what is found in it; raises `MalformedError`.
    """

    body: Mapping[str, Any]
    tokens: tuple[int, int]
    read: Callable[[Reply], A]


@dataclass(frozen=True)
class Asked(Generic[T, A]):
    """What became of one item.

    Attributes:
        item: that was asked about.
        answer: ``None`` where there is none.
        fault: why there is none.
        is_final: whether asking again would be vain: the answers were malformed, or the item is refused.
    """

    item: T
    answer: A | None = None
    fault: str = ""
    is_final: bool = False


class Dispatcher:
    """Asks one server; several threads share its connections, rate limit and budget.

    Args:
        config: which server, and how patiently it is asked.
        spent: in earlier runs.
        on_lost: called from several threads with the bill and the fault of each answer lost on the way.
        seed: of the jitter of pauses.

    Raises:
        TeacherError: no key.
        MissingExtraError: the client is not installed.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        spent: Usage | None = None,
        on_lost: Callable[[Usage, str], None],
        seed: int = 0,
    ) -> None:
        self.config = config
        self.purse, self._pace = Budget(config, spent), RateLimiter(config.requests_per_minute, seed)
        self.line = ChatClient(config, self.purse, self._pace, on_lost)
        self.stopped_by = ""

    def close(self) -> None:
        """Close the connections."""
        self.line.close()

    def each(self, items: Iterable[T], ask: Callable[[T], A]) -> Iterator[Asked[T, A]]:
        """Ask for every distinct item, several at a time; what became of them, as it comes.

        Ends early where the budget is spent; ``stopped_by`` says so. Whoever leaves the loop early leaves
        requests in flight to be recorded, and none is sent after them.

        Args:
            items: hashable.
            ask: called in a thread; may raise what `until_read` raises.

        Raises:
            TeacherError: the server refuses to answer at all, or seems to be down.
        """
        queue = iter(dict.fromkeys(items))
        self._pace.stopped.clear()
        pool = ThreadPoolExecutor(self.config.concurrency, thread_name_prefix="endpoint")
        unanswered, is_spent = 0, False
        try:
            flying: set[Future[Asked[T, A]]] = set()
            while True:
                if not is_spent:
                    more = islice(queue, self.config.concurrency - len(flying))
                    flying |= {pool.submit(_asked, item, ask) for item in more}
                if not flying:
                    return
                landed, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in landed:
                    try:
                        found = future.result()
                    except BudgetSpentError as error:
                        is_spent, self.stopped_by = True, str(error)
                        continue
                    unanswered = 0 if found.answer is not None or found.is_final else unanswered + 1
                    yield found
                self._check_alive(unanswered, landed)
        finally:
            self._pace.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def until_read(
        self, question: Callable[[], Question[A]], keep: Callable[[Usage, A | None, str], None]
    ) -> A:
        """Ask until an answer can be read, and keep every answer that was paid.

        Args:
            question: what to send next; it may change as the server turns out to refuse fields.
            keep: called with each bill, and with what was found, or else with the fault.

        Raises:
            MalformedError: no answer could be read, however often it was asked for.
            BudgetSpentError: before there was one.
            UnansweredError: the server did not answer this.
            TeacherError: the server refuses to answer at all.
        """
        fault = ""
        for _ in range(self.config.repairs + 1):
            asked = question()
            reply = self.line.send(asked.body, asked.tokens)
            try:
                found = asked.read(reply)
            except MalformedError as error:
                fault = str(error)
                keep(reply.bill, None, fault)
            else:
                keep(reply.bill, found, "")
                return found
        raise MalformedError(fault)

    def _check_alive(self, unanswered: int, landed: Iterable[Future[Asked[T, A]]]) -> None:
        if unanswered >= DEAD * self.config.concurrency:
            faults = [future.result().fault for future in landed if not future.exception()]
            raise TeacherError(
                f"The endpoint {self.config.base_url} left {unanswered} texts in a row unanswered and seems "
                f"to be down. {faults[-1] if faults else ''} What was bought is kept: run again to continue."
            )


def _asked(item: T, ask: Callable[[T], A]) -> Asked[T, A]:
    try:
        return Asked(item, ask(item))
    except MalformedError as error:
        return Asked(item, fault=str(error), is_final=True)
    except (StoppedError, UnansweredError) as error:
        return Asked(item, fault=str(error), is_final=isinstance(error, RefusedError))
