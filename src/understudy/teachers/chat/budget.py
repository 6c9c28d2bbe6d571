"""What an endpoint may cost and has cost: money is set aside before a request is sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from understudy.errors import TeacherError
from understudy.teachers.chat.config import ServerConfig

DEAR = 4.0
"""A prompt has at most about this many times the tokens that are estimated from its characters: no token is
shorter than a byte."""


class BudgetSpentError(TeacherError):
    """The next request could exceed the budget; the message names the budget and what was spent."""


@dataclass(frozen=True)
class Usage:
    """What was paid for.

    Attributes:
        requests: Answered requests, and those whose answer was lost on the way.
        prompt_tokens: Tokens of all prompts.
        completion_tokens: Tokens of all answers.
        cost: Money; 0 where prices are unknown.
        estimated: Requests among them whose tokens are estimated, because the server did not count them.
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
        """A phrase for people: ``12 requests, 3,400 tokens of prompt and 24 of answers, 0.0123 USD``."""
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
        bill: The most that it may cost.
        prompt_tokens: Estimated tokens of the prompt.
    """

    bill: Usage
    prompt_tokens: int


class Budget:
    """A budget that several threads share.

    Args:
        config: Budgets and prices.
        spent: What earlier runs paid.
    """

    def __init__(self, config: ServerConfig, spent: Usage | None = None) -> None:
        self._config = config
        self._changed = threading.Condition()
        self._open: list[Usage] = []
        self._ratio: float | None = None
        self.spent = spent or Usage()

    def reserve(self, prompt_tokens: int, completion_tokens: int) -> Reservation:
        """Set aside the most that a request may cost; pass the result to `settle` once the cost is known.

        An answer is taken to be as long as it may be. A prompt is taken to be `DEAR` times as long as its
        estimate until the server has counted one, and then as much longer as any prompt was. Where the budget
        suffices except for what is set aside for requests in flight, this waits for them.

        Raises:
            BudgetSpentError: This could exceed the budget, whatever the requests in flight come to.
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
        """Release what was set aside, and count what was paid, which is ``None`` where the server refused."""
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
        """Why this cannot be paid on top of what is spent and set aside for others; empty where it can."""
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
