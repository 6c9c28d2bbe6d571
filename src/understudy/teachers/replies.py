"""Requests to an OpenAI-compatible server: sent, tried again, and what the server does not know left out."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from understudy.errors import MissingExtraError, TeacherError
from understudy.teachers.pacing import Pace, retry_after
from understudy.teachers.purse import Bill, Purse
from understudy.teachers.settings import ServerConfig

NO_KEY = "none"
"""What is sent to servers that want no key; the client insists on one."""

TOP = 20
"""Most tokens whose log-probabilities the protocol gives."""

OPTIONAL: Mapping[str, str] = {
    "max_tokens": r"max_(completion_)?tokens",
    "logprobs": r"logprob",
    "response_format": r"response.?format|json.?schema|structured",
    "temperature": r"temperature",
}
"""Fields that some servers refuse, and the words of their complaints."""

_UNKNOWN = (400, 404, 415, 422, 501)  # what servers say of a field that they do not know
_FATAL = (401, 402, 403, 404, 405)
_WAIT = (408, 409, 429)


class UnansweredError(TeacherError):
    """The server did not answer this request, however often it was asked; the message says how it failed."""


class StoppedError(TeacherError):
    """Everybody was told to stop."""


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: of the answer; empty where the server refused to write one.
        tops: token and log-probability, of the first token that is not blank; empty where not given.
        has_logprobs: whether log-probabilities were given at all.
        finish: why the answer ends, in the server's word.
        bill: of this request.
    """

    text: str
    tops: tuple[tuple[str, float], ...]
    has_logprobs: bool
    finish: str
    bill: Bill


class Line:
    """A line to the server that several threads share.

    It learns which optional fields the server refuses (log-probabilities, schemas, temperature, the name of
    the limit of tokens), and leaves them out from then on.

    Args:
        config: address, key, patience.
        purse: pays; what is paid is told to ``on_bill`` at once.
        pace: shared rate limit and pauses.
        on_bill: called with the bill of each request whose answer was lost.

    Raises:
        MissingExtraError: the client is not installed.
        TeacherError: the key's environment variable is not set.
    """

    def __init__(
        self, config: ServerConfig, purse: Purse, pace: Pace, on_bill: Callable[[Bill, str], None]
    ) -> None:
        self._openai = _client_library()
        self.config, self.purse, self.pace = config, purse, pace
        self._on_bill = on_bill
        self._key = _key(config)
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._answered = 0
        self._client = self._openai.OpenAI(
            api_key=self._key, base_url=config.base_url, timeout=config.timeout, max_retries=0
        )

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def takes(self, field: str) -> bool:
        """Whether the server is not known to refuse a field: ``logprobs`` or ``response_format``."""
        return field not in self._refused

    def give_up(self, field: str) -> None:
        """Leave out a field from now on."""
        with self._lock:
            self._refused.add(field)

    def send(self, body: Mapping[str, Any], tokens: tuple[int, int]) -> Reply:
        """Ask, and ask again after failures that may pass.

        Args:
            body: ``messages`` and the fields of `OPTIONAL` that are wanted.
            tokens: of prompt and answer, about.

        Raises:
            BudgetSpentError: nothing was sent.
            UnansweredError: every try failed, or the server will not answer this very request.
            TeacherError: the server refuses to answer at all.
            StoppedError: as told by the pace.
        """
        fault, attempt = "", 0
        while attempt < self.config.attempts:
            if not self.pace.wait():
                raise StoppedError("Asking was stopped.")
            reserved = self.purse.reserve(*tokens)
            paid: Bill | None = None
            sent = {name: value for name, value in body.items() if name not in self._refused}
            try:
                reply = self._ask(sent, tokens)
            except self._openai.APIStatusError as error:
                fault = self._on_status(error, sent)
                if not fault:
                    continue  # a field was given up: the same question again, at once
                self._on_wait(retry_after(error.response.headers))
            except (self._openai.APIConnectionError, self._openai.APIError, ValueError) as error:
                fault = self._scrubbed(f"{type(error).__name__}: {error}")
                paid = None if _never_sent(error) else reserved
            else:
                paid, self._answered = reply.bill, self._answered + 1
                return reply
            finally:
                self.purse.settle(reserved, paid)
            if paid is not None:
                self._on_bill(paid, fault)
            attempt += 1
            if attempt < self.config.attempts:
                self.pace.pause(attempt - 1, self.config.backoff, self.config.longest_pause)
        raise UnansweredError(f"No answer after {self.config.attempts} tries, the last: {fault}")

    def _ask(self, sent: Mapping[str, Any], tokens: tuple[int, int]) -> Reply:
        asked = {"model": self.config.model, **sent}
        if "max_tokens" not in sent:
            asked["max_completion_tokens"] = self.config.max_tokens
        if "logprobs" in sent:
            asked["top_logprobs"] = TOP
        done = self._client.chat.completions.create(**asked, extra_body=self.config.extra or None)
        return _reply(done, tokens, self.config)

    def _on_status(self, error: Any, sent: Mapping[str, Any]) -> str:
        """What went wrong, or nothing where a refused field was found and given up."""
        status = int(error.status_code)
        said = self._scrubbed(f"HTTP {status}: {' '.join(str(error.message).split())[:300]}")
        if status in _UNKNOWN:
            field = _refusable(said, sent)
            if field:
                self.give_up(field)
                return ""
            if status not in _FATAL and self._answered:
                raise UnansweredError(f"The server refuses this text: {said}")
        if status in _FATAL or status in _UNKNOWN:
            raise TeacherError(
                f"The endpoint {self.config.base_url} refuses requests. {said} Check base_url, model and the "
                f"key in {self.config.key_env or 'no variable: key_env is not set'}."
            )
        if status < 500 and status not in _WAIT:
            raise UnansweredError(f"The server refuses this text: {said}")
        return said

    def _on_wait(self, seconds: float | None) -> None:
        if seconds is None:
            return
        if seconds > self.config.patience:
            raise TeacherError(
                f"The endpoint asks to wait {seconds:,.0f} s, more than its patience "
                f"({self.config.patience:g} s). What was bought is kept: run again later."
            )
        self.pace.hold(seconds)

    def _scrubbed(self, said: str) -> str:
        return said.replace(self._key, "***") if self._key != NO_KEY else said


def _refusable(said: str, sent: Mapping[str, Any]) -> str | None:
    """The optional field that a complaint is about: one that was sent, and that it names."""
    return next((name for name in OPTIONAL if name in sent and re.search(OPTIONAL[name], said, re.I)), None)


def _client_library() -> Any:
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError(
            "A chat endpoint needs the client 'openai'. Install it with: pip install 'understudy[endpoint]'"
        ) from error
    return openai


def _key(config: ServerConfig) -> str:
    if config.key_env is None:
        return NO_KEY
    key = os.environ.get(config.key_env, "").strip()
    if not key:
        raise TeacherError(
            f"The endpoint's key is read from the environment variable {config.key_env}, which is not set. "
            "Set it, or say key_env: null for a server that wants no key."
        )
    return key


def _never_sent(error: Exception) -> bool:
    """Whether a request surely did not reach the server, so that it cannot cost anything."""
    cause = error.__cause__
    return type(cause).__name__ in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol")


def _reply(done: Any, tokens: tuple[int, int], config: ServerConfig) -> Reply:
    """Read a completion as far as it goes: servers leave out what they please."""
    usage = getattr(done, "usage", None)
    counted = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    is_estimated = not all(isinstance(number, int) for number in counted)
    prompt, completion = tokens if is_estimated else (int(counted[0] or 0), int(counted[1] or 0))
    bill = Bill(1, prompt, completion, config.cost(prompt, completion), int(is_estimated))
    choices = getattr(done, "choices", None) or [None]
    message = getattr(choices[0], "message", None)
    text = getattr(message, "content", None)
    listed = getattr(getattr(choices[0], "logprobs", None), "content", None) or []
    first = next((token for token in listed if str(token.token).strip()), None)
    tops = tuple((str(top.token), float(top.logprob)) for top in getattr(first, "top_logprobs", None) or ())
    finish = str(getattr(choices[0], "finish_reason", None) or "unknown")
    return Reply(text if isinstance(text, str) else "", tops, bool(tops), finish, bill)
