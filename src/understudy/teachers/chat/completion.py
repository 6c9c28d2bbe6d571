"""Reading a chat completion: servers leave out what they please, and some say what cannot be."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.parsing import quoted

ROUNDING = 1e-3
"""A log-probability above 0 by no more than this was rounded; a higher one is something else."""

MOST_TOKENS = 10**9
"""A bill of more tokens for one request cannot be true."""


class NoCompletionError(ValueError):
    """What came back is no chat completion, though the server said that all is well."""


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: of the answer; empty where the server refused to write one.
        tops: token and log-probability, of the first token that is not blank: the token itself, then the
            others that were listed in its place; empty where not given.
        has_logprobs: whether log-probabilities were given at all.
        finish: why the answer ends, in the server's word.
        bill: of this request.
    """

    text: str
    tops: tuple[tuple[str, float], ...]
    has_logprobs: bool
    finish: str
    bill: Usage


def read_reply(body: str, tokens: tuple[int, int], config: ServerConfig) -> Reply:
    """Read a completion as far as it goes; what is not of the protocol's form counts as not given.

    Args:
        body: of the response.
        tokens: of prompt and answer, about: the bill, where the server gives none.
        config: prices.

    Raises:
        NoCompletionError: it is a page, an error message, or anything else.
    """
    try:
        done = json.loads(body)
    except (ValueError, RecursionError):
        done = None
    if not isinstance(done, dict) or not isinstance(done.get("choices"), list):
        raise NoCompletionError(f"this is no chat completion: {quoted(body)}")
    text, tops = _text(_at(done, "choices", 0, "message", "content")), _tops(done)
    refused = isinstance(_at(done, "choices", 0, "message", "refusal"), str) and not text
    finish = "refusal" if refused else str(_at(done, "choices", 0, "finish_reason") or "unknown")
    return Reply(text, tops, bool(tops), finish, _bill(done, tokens, config))


def _at(value: Any, *path: str | int) -> Any:
    """What stands at a path of keys and places, or ``None``."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def _text(content: Any) -> str:
    """The text of an answer, which some servers give in parts."""
    if isinstance(content, list):
        return "".join(part for each in content if isinstance(part := _at(each, "text"), str))
    return content if isinstance(content, str) else ""


def _tops(done: Any) -> tuple[tuple[str, float], ...]:
    places = _at(done, "choices", 0, "logprobs", "content")
    for place in places if isinstance(places, list) else ():
        token, listed = _at(place, "token"), _at(place, "top_logprobs")
        if isinstance(token, str) and token.strip() and isinstance(listed, list) and listed:
            others = [pair for each in listed if (pair := _pair(each))]
            own = next((pair for pair in (_pair(place), *others) if pair and pair[0] == token), None)
            return (own, *(pair for pair in others if pair[0] != token)) if own and others else ()
    return ()


def _pair(listed: Any) -> tuple[str, float] | None:
    """A token with its log-probability; ``None`` where that is no number, or cannot be one."""
    token, logprob = _at(listed, "token"), _at(listed, "logprob")
    is_number = isinstance(logprob, int | float) and not isinstance(logprob, bool)
    if not isinstance(token, str) or not is_number or math.isnan(logprob) or logprob > ROUNDING:
        return None
    return token, float(logprob)


def _bill(done: Any, tokens: tuple[int, int], config: ServerConfig) -> Usage:
    counted = [_at(done, "usage", name) for name in ("prompt_tokens", "completion_tokens")]
    is_said = all(type(number) is int and 0 <= number < MOST_TOKENS for number in counted)
    prompt, completion = counted if is_said else tokens
    return Usage(1, prompt, completion, config.cost(prompt, completion), int(not is_said))
