"""Read a chat completion: servers leave parts out, and some give values that cannot be true."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.parsing import quoted

ROUNDING = 1e-3
"""A log-probability above 0 by no more than this was rounded; a higher one is something else."""

MOST_TOKENS = 10**9
"""One request cannot have more tokens than this."""


class NoCompletionError(ValueError):
    """What came back is not a chat completion, though the server reported success."""


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: The answer's text; empty where the server refused to write one.
        tops: Tokens with their log-probabilities for the first token that is not blank: that token itself,
            then the alternatives that were listed; empty where there are none.
        has_logprobs: Whether there are log-probabilities at all.
        finish: Why the answer ends, in the server's word.
        bill: What this request cost.
    """

    text: str
    tops: tuple[tuple[str, float], ...]
    has_logprobs: bool
    finish: str
    bill: Usage


def read_reply(body: str, tokens: tuple[int, int], config: ServerConfig) -> Reply:
    """Read a completion as far as possible; what does not follow the protocol counts as missing.

    Args:
        body: The response's body.
        tokens: Estimated tokens of prompt and answer, used where the server does not count them.
        config: Prices.

    Raises:
        NoCompletionError: It is a page, an error message, or anything else.
    """
    try:
        done = json.loads(body)
    except (ValueError, RecursionError):
        done = None
    if not isinstance(done, dict) or not isinstance(done.get("choices"), list):
        raise NoCompletionError(f"this is not a chat completion: {quoted(body)}")
    text, tops = _text(_at(done, "choices", 0, "message", "content")), _tops(done)
    refused = isinstance(_at(done, "choices", 0, "message", "refusal"), str) and not text
    finish = "refusal" if refused else str(_at(done, "choices", 0, "finish_reason") or "unknown")
    return Reply(text, tops, bool(tops), finish, _bill(done, tokens, config))


def _at(value: object, *path: str | int) -> object:
    """The value at a path of keys and positions, or ``None``."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def _text(content: object) -> str:
    """The text of an answer, which some servers send in parts."""
    if isinstance(content, list):
        return "".join(part for each in content if isinstance(part := _at(each, "text"), str))
    return content if isinstance(content, str) else ""


def _tops(done: object) -> tuple[tuple[str, float], ...]:
    places = _at(done, "choices", 0, "logprobs", "content")
    for place in places if isinstance(places, list) else ():
        token, listed = _at(place, "token"), _at(place, "top_logprobs")
        if isinstance(token, str) and token.strip() and isinstance(listed, list) and listed:
            others = [pair for each in listed if (pair := _pair(each))]
            own = next((pair for pair in (_pair(place), *others) if pair and pair[0] == token), None)
            return (own, *(pair for pair in others if pair[0] != token)) if own and others else ()
    return ()


def _pair(listed: object) -> tuple[str, float] | None:
    """A token with its log-probability; ``None`` where that is not a number, or not a possible one."""
    token, logprob = _at(listed, "token"), _at(listed, "logprob")
    if not isinstance(token, str) or not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    return None if math.isnan(logprob) or logprob > ROUNDING else (token, float(logprob))


def _bill(done: object, tokens: tuple[int, int], config: ServerConfig) -> Usage:
    prompt, completion = (_count(_at(done, "usage", name)) for name in ("prompt_tokens", "completion_tokens"))
    if prompt is None or completion is None:
        return Usage(1, *tokens, config.cost(*tokens), estimated=1)
    return Usage(1, prompt, completion, config.cost(prompt, completion))


def _count(value: object) -> int | None:
    """A number of tokens, or ``None`` where the value cannot be one."""
    return value if type(value) is int and 0 <= value < MOST_TOKENS else None
