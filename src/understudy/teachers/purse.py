"""What an endpoint may cost, and what it has cost: money is set aside before a request is sent."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from understudy.errors import TeacherError
from understudy.teachers.settings import ServerConfig


class BudgetSpentError(TeacherError):
    """The next request could pass the budget; the message says which, and what was spent."""


@dataclass(frozen=True)
class Bill:
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

    def __add__(self, other: Bill) -> Bill:
        mine, theirs = vars(self), vars(other)
        return Bill(**{name: mine[name] + theirs[name] for name in mine})

    def sentence(self, config: ServerConfig) -> str:
        """For the eye: ``12 requests, 3,400 tokens of prompt and 24 of answers, 0.0123 USD``."""
        money = f", {self.cost:,.4f} {config.currency}" if config.has_prices else ""
        guessed = f" ({self.estimated:,} of them estimated)" if self.estimated else ""
        return (
            f"{self.requests:,} requests{guessed}, {self.prompt_tokens:,} tokens of prompt and "
            f"{self.completion_tokens:,} of answers{money}"
        )


class Purse:
    """A budget that several threads share.

    Args:
        config: budgets and prices.
        spent: in earlier runs.
    """

    def __init__(self, config: ServerConfig, spent: Bill | None = None) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._open = Bill()
        self._ratio = 1.0
        self.spent = spent or Bill()

    def reserve(self, prompt_tokens: int, completion_tokens: int) -> Bill:
        """Set aside what a request may cost; hand it to `settle` once more is known.

        An answer is taken to be as long as it may be. Where earlier prompts were longer than estimated, this
        one is taken to be so too.

        Raises:
            BudgetSpentError: spent, set aside and this together pass the budget.
        """
        with self._lock:
            prompt_tokens = math.ceil(prompt_tokens * self._ratio)
            completion_tokens = max(completion_tokens, self._config.max_tokens)
            cost = self._config.cost(prompt_tokens, completion_tokens)
            wanted = Bill(1, prompt_tokens, completion_tokens, cost, 1)
            after = self.spent + self._open + wanted
            limit, money = self._config.budget_requests, self._config.budget
            if limit is not None and after.requests > limit:
                raise BudgetSpentError(f"The budget of {limit:,} requests is spent.")
            if money is not None and after.cost > money:
                raise BudgetSpentError(
                    f"The budget of {money:g} {self._config.currency} is spent: {self.spent.cost:.4f} are "
                    f"paid, and the next request may cost {cost:.4g}."
                )
            self._open += wanted
        return wanted

    def settle(self, reserved: Bill, paid: Bill | None) -> None:
        """Take back what was set aside, and book what was paid; ``None``: the server refused to answer."""
        minus = Bill(**{name: -value for name, value in vars(reserved).items()})
        with self._lock:
            if paid is not None and not paid.estimated:
                self._ratio *= max(1.0, paid.prompt_tokens / max(1, reserved.prompt_tokens))
            self._open += minus
            self.spent += paid or Bill()
