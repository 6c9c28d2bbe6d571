"""Many things asked of a chat server: several at a time, within a budget, until each answer can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeVar

from understudy.errors import TeacherError
from understudy.teachers.chat.budget import Budget, BudgetSpentError, Usage
from understudy.teachers.chat.client import ChatClient, RefusedError, StoppedError, UnansweredError
from understudy.teachers.chat.completion import Reply
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.parsing import MalformedError
from understudy.teachers.chat.rate_limit import RateLimiter

DEAD = 3
"""Items for each thread that may stay unanswered in a row before the server is taken to be down."""

REFUSED = 20
"""Items that a server which answers may refuse in a row before it is taken to refuse all of them. A moderated
text stands alone or among few; a key that was withdrawn stops everything."""

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Question(Generic[A]):
    """One request.

    Attributes:
        body: ``messages`` and further fields, as `ChatClient.send` takes them.
        tokens: Estimated tokens of prompt and answer.
        read: Reads the answer out of a reply; raises `MalformedError`.
    """

    body: Mapping[str, object]
    tokens: tuple[int, int]
    read: Callable[[Reply], A]


@dataclass(frozen=True)
class Asked(Generic[T, A]):
    """What became of one item.

    Attributes:
        item: The item that was asked about.
        answer: ``None`` where there is none.
        fault: Why there is none.
        is_final: Whether it is not worth asking again: the answers were malformed, or the item is refused.
        is_refused: Whether the server refused the item.
        may_concern_all: Whether it may have refused the key, the project or the region instead.
    """

    item: T
    answer: A | None = None
    fault: str = ""
    is_final: bool = False
    is_refused: bool = False
    may_concern_all: bool = False


class Dispatcher:
    """Asks one server; several threads share its connections, rate limit and budget.

    Args:
        config: Which server, and how patiently it is asked.
        spent: What earlier runs paid.
        on_lost: Called from several threads with the usage and the fault of each answer lost on the way.
        seed: Seed of the jitter added to waiting times.

    Raises:
        TeacherError: There is no key.
        MissingExtraError: The client library is not installed.
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
        self.budget, self._limiter = Budget(config, spent), RateLimiter(config.requests_per_minute, seed)
        self.client = ChatClient(config, self.budget, self._limiter, on_lost)
        self.stopped_by = ""

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def each(self, items: Iterable[T], ask: Callable[[T], A]) -> Iterator[Asked[T, A]]:
        """Ask for every distinct item, several at a time; what became of them, as it comes.

        Ends early where the budget is spent; ``stopped_by`` says so. When the loop is left early, requests in
        flight are still recorded, and none is sent after them. An item that the server refuses is final once
        the server has answered another one, so that a wrong key sets nothing aside. The other one may be of
        an earlier run only where the status is about the item: a key can be blocked between two runs.

        Args:
            items: Hashable items.
            ask: Called in a thread; may raise what `until_read` raises.

        Raises:
            TeacherError: The server refuses to answer at all, or seems to be down.
        """
        refused: list[Asked[T, A]] = []
        does_answer = self.client.has_answered
        for asked in self._landed(items, ask):
            if asked.is_refused:
                refused.append(asked)
                self._check_refusals(refused)
                continue
            if asked.answer is not None or asked.is_final:  # a malformed answer is one, too
                does_answer = True
                yield from (replace(each, is_final=True) for each in refused)
                refused.clear()
            yield asked

        if refused and not (does_answer or self._is_about_items(refused)):
            self.client.refuse_all(f"It answered no text of this run. {refused[-1].fault}")
        yield from (replace(each, is_final=True) for each in refused)

    def _is_about_items(self, refused: Sequence[Asked[T, A]]) -> bool:
        """Whether refusals in a run without an answer are certainly about the items themselves."""
        return self.client.ever_answered and not any(each.may_concern_all for each in refused)

    def _check_refusals(self, refused: Sequence[Asked[T, A]]) -> None:
        """End where the server refuses one item after the other, with no answer in between."""
        first = DEAD * self.config.concurrency
        most = max(REFUSED, first) if self.client.ever_answered else first
        if len(refused) >= most:
            self.client.refuse_all(f"It refused {len(refused)} texts in a row. {refused[-1].fault}")

    def _landed(self, items: Iterable[T], ask: Callable[[T], A]) -> Iterator[Asked[T, A]]:
        """What became of each item, in the order in which the requests end."""
        queue = iter(dict.fromkeys(items))
        self._limiter.stopped.clear()
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
                        asked = future.result()
                    except BudgetSpentError as error:
                        is_spent, self.stopped_by = True, str(error)
                        continue
                    is_settled = asked.answer is not None or asked.is_final or asked.is_refused
                    unanswered = 0 if is_settled else unanswered + 1
                    yield asked
                self._check_alive(unanswered, landed)
        finally:
            self._limiter.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def until_read(
        self, question: Callable[[], Question[A]], keep: Callable[[Usage, A | None, str], None]
    ) -> A:
        """Ask until an answer can be read, and keep every answer that was paid.

        Args:
            question: Gives the next request; it may change as the server turns out to refuse fields.
            keep: Called with what each reply cost, and with the answer in it, or else with the fault.

        Raises:
            MalformedError: No answer could be read, however often it was asked for.
            BudgetSpentError: The budget was spent before there was an answer.
            UnansweredError: The server did not answer this.
            TeacherError: The server refuses to answer at all.
        """
        fault = ""
        for _ in range(self.config.repairs + 1):
            request = question()
            reply = self.client.send(request.body, request.tokens)
            try:
                answer = request.read(reply)
            except MalformedError as error:
                fault = str(error)
                keep(reply.bill, None, fault)
            else:
                keep(reply.bill, answer, "")
                return answer
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
    except RefusedError as error:
        return Asked(item, fault=str(error), is_refused=True, may_concern_all=error.may_concern_all)
    except (StoppedError, UnansweredError) as error:
        return Asked(item, fault=str(error))
