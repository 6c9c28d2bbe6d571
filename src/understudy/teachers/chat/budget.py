"""What an endpoint may cost, and what it has cost: money is set aside before a request is sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from understudy.errors import TeacherError
from understudy.teachers.chat.config import ServerConfig

DEAR = 4.0
"""A prompt's tokens, as estimated by characters, times this are the most that they can be, about: a byte is a
token at most."""


class BudgetSpentError(TeacherError):
    """The next request could pass the budget; the message says which, and what was spent."""


@dataclass(frozen=True)
class Usage:
    """What was paid for.

    Attributes:
        requests: answered requests, and those whose answer was lost on the way.
        prompt_tokens: of all.
        completion_tokens: of all.
        cost: money; 0 where prices are unknown.
        estimated: requests among them whose tokens are an estimate, for the server did not say.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    estimated: int = 0

    def __add__(self, other: Usage) -> Usage:
        mine, theirs = vars(self), vars(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})

    def sentence(self, config: ServerConfig) -> str:
        """For the eye: ``12 requests, 3,400 tokens of prompt and 24 of answers, 0.0123 USD``."""
        money = f", {self.cost:,.4f} {config.currency}" if config.has_prices else ""
        guessed = f" ({self.estimated:,} of them estimated)" if self.estimated else ""
        return (
            f"{self.requests:,} requests{guessed}, {self.prompt_tokens:,} tokens of prompt and "
            f"{self.completion_tokens:,} of answers{money}"
        )


@dataclass(frozen=True)
class Reservation:
    """What is set aside for one request.

    Attributes:
        bill: the most that it may cost.
        prompt_tokens: as they were estimated.
    """

    bill: Usage
    prompt_tokens: int


class Budget:
    """A budget that several threads share.

    Args:
        config: budgets and prices.
        spent: in earlier runs.
    """

    def __init__(self, config: ServerConfig, spent: Usage | None = None) -> None:
        self._config = config
        self._changed = threading.Condition()
        self._open: list[Usage] = []
        self._ratio: float | None = None
        self.spent = spent or Usage()

    def reserve(self, prompt_tokens: int, completion_tokens: int) -> Reservation:
        """Set aside the most that a request may cost; hand it to `settle` once more is known.

        An answer is taken to be as long as it may be, a prompt `DEAR` times as long as it is estimated until
        a server has counted one, and then as much longer as any was. Where the budget would do but for what
        is set aside for requests in flight, this waits for them.

        Raises:
            BudgetSpentError: this could pass the budget, whatever the requests in flight come to.
        """
        with self._changed:
            while True:
                wanted = self._most(prompt_tokens, completion_tokens)
                if fault := self._fault(wanted, ()):
                    raise BudgetSpentError(fault)
                if not self._fault(wanted, self._open):
                    self._open.append(wanted)
                    return Reservation(wanted, prompt_tokens)
                self._changed.wait()

    def settle(self, reserved: Reservation, paid: Usage | None) -> None:
        """Take back what was set aside, and book what was paid; ``None``: the server refused to answer."""
        with self._changed:
            if paid is not None and not paid.estimated:
                ratio = paid.prompt_tokens / max(1, reserved.prompt_tokens)
                self._ratio = max(1.0, self._ratio or 0.0, ratio)
            self._open.remove(reserved.bill)
            self.spent += paid or Usage()
            self._changed.notify_all()

    def _most(self, prompt_tokens: int, completion_tokens: int) -> Usage:
        prompt = math.ceil(prompt_tokens * (self._ratio or DEAR))
        answer = max(completion_tokens, self._config.max_tokens)
        return Usage(1, prompt, answer, self._config.cost(prompt, answer), 1)

    def _fault(self, wanted: Usage, others: Sequence[Usage]) -> str:
        """Why this cannot be paid beside what is spent and set aside for others; empty where it can."""
        after = sum(others, self.spent + wanted)
        limit, money = self._config.budget_requests, self._config.budget
        if limit is not None and after.requests > limit:
            return f"The budget of {limit:,} requests is spent."
        if money is not None and after.cost > money:
            return (
                f"The budget of {money:g} {self._config.currency} is spent: {self.spent.cost:.4f} are "
                f"paid, and the next request may cost {wanted.cost:.4g}."
            )
        return ""
