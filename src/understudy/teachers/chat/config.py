"""What a recipe can say about a chat server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from understudy.core.checks import STRICT, check_positive
from understudy.errors import RecipeError

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}").fullmatch


_SECRETS = re.compile(r"api.?key|authorization|token$|secret|password", re.IGNORECASE).search


def _has_secret(query: str) -> bool:
    return any(name.lower() == "key" or _SECRETS(name) for name, _ in parse_qsl(query))


def _keys(value: object) -> Iterator[str]:
    """Every key of nested mappings and lists."""
    for key, held in value.items() if isinstance(value, Mapping) else ():
        yield str(key)
        yield from _keys(held)
    for held in value if isinstance(value, list | tuple) else ():
        yield from _keys(held)


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """An OpenAI-compatible chat server: where it is, how patiently it is asked, and what it may cost.

    Attributes:
        base_url: Address of the server, such as ``https://api.example.com/v1``.
        model: Name of the model, as the server knows it.
        key_env: Environment variable that holds the key; ``None`` for a server that wants none. The key
            itself is never written anywhere.
        concurrency: Number of requests in flight at once.
        requests_per_minute: Rate limit; ``None`` sets none.
        timeout: Seconds after which a request is abandoned.
        attempts: How often a request is tried that the server does not answer.
        backoff: Longest first pause between two tries, in seconds; it doubles with every try.
        longest_pause: Longest pause between two tries, in seconds.
        patience: Longest ``Retry-After`` to wait for, in seconds; after a longer one, asking stops.
        repairs: How often a malformed answer is asked for again before the text is set aside.
        max_tokens: Greatest number of tokens in an answer.
        price_in: Price of a million tokens of prompt; ``None`` where it is unknown.
        price_out: Price of a million tokens of answer.
        currency: Name of the currency, shown beside amounts.
        budget: Most money to spend in this run, however often it is continued.
        budget_requests: Greatest number of answered requests in this run, however often it is continued.
        tokenizer: A ``tokenizer.json`` that counts tokens before they are bought; ``None`` estimates them
            from characters.
        extra: Further fields of the request's body.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    base_url: str
    model: str
    key_env: str | None = "OPENAI_API_KEY"
    concurrency: int = 8
    requests_per_minute: float | None = None
    timeout: float = 60.0
    attempts: int = 6
    backoff: float = 1.0
    longest_pause: float = 60.0
    patience: float = 600.0
    repairs: int = 2
    max_tokens: int = 64
    price_in: float | None = None
    price_out: float | None = None
    currency: str = "USD"
    budget: float | None = None
    budget_requests: int | None = None
    tokenizer: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self._check_place()

        check_positive(
            concurrency=self.concurrency,
            requests_per_minute=self.requests_per_minute,
            timeout=self.timeout,
            attempts=self.attempts,
            backoff=self.backoff,
            longest_pause=self.longest_pause,
            patience=self.patience,
            max_tokens=self.max_tokens,
            budget=self.budget,
            budget_requests=self.budget_requests,
        )
        if self.repairs < 0:
            raise RecipeError(f"repairs is {self.repairs}, but must be at least 0.")
        self._check_money()

    def _check_place(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError("base_url must be the http(s) address of a server, such as https://host/v1.")

        if parts.username or parts.password or _has_secret(parts.query):
            raise RecipeError(
                "base_url holds a secret, but a recipe is written to disk. Use key_env instead."
            )
        if self.key_env is not None and not _VARIABLE(self.key_env):
            # The value is not shown: it may be a key that was pasted into the wrong place.
            raise RecipeError(
                "key_env must be the name of an environment variable in capitals, such as OPENAI_API_KEY; "
                "this one is not. Never write a key itself into a recipe."
            )

        if secret := next(filter(_SECRETS, _keys(self.extra)), None):
            raise RecipeError(f"extra.{secret} looks like a secret, but a recipe is written to disk.")

    def _check_money(self) -> None:
        for name in ("price_in", "price_out"):
            price = getattr(self, name)
            if price is not None and not 0 <= price < float("inf"):
                raise RecipeError(f"{name} is {price}, but must be at least 0, and finite.")
        if self.budget is not None and not self.has_prices:
            raise RecipeError("A budget in money needs price_in and price_out, per million tokens.")

    @property
    def has_prices(self) -> bool:
        """Whether costs can be computed."""
        return self.price_in is not None and self.price_out is not None

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """The price of so many tokens; 0 where prices are unknown."""
        return (prompt_tokens * (self.price_in or 0.0) + completion_tokens * (self.price_out or 0.0)) / 1e6
