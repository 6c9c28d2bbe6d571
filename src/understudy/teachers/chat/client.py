"""Requests to an OpenAI-compatible server: sent, tried again, and what the server does not know left out."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from understudy.errors import MissingExtraError, TeacherError
from understudy.teachers.chat.budget import Budget, Usage
from understudy.teachers.chat.completion import Reply, read_reply
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.rate_limit import RateLimiter, retry_after

NO_KEY = "none"
"""What is sent to servers that want no key; the client insists on one."""

SECRET = 8
"""Characters of a key, at least: a shorter one, such as servers of one's own are given, hides nothing, and
stands in many a text."""

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


class RefusedError(UnansweredError):
    """The server answers, but not this request: asking again would be vain."""


@dataclass(frozen=True)
class _Failure:
    """What came in the place of a reply.

    Attributes:
        fault: for the eye, without the key.
        status: of HTTP; 0 where none came.
        wait: seconds that the server asks to wait.
        bill: what it may have cost; ``None`` where it surely cost nothing.
        sent: names of the fields.
    """

    fault: str
    status: int = 0
    wait: float | None = None
    bill: Usage | None = None
    sent: frozenset[str] = frozenset()


class ChatClient:
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
        self, config: ServerConfig, purse: Budget, pace: RateLimiter, on_bill: Callable[[Usage, str], None]
    ) -> None:
        self._openai = _client_library()
        self.config, self.purse, self.pace = config, purse, pace
        self._on_bill = on_bill
        self._key = _key(config)
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._has_answered = False
        self._broken = (self._openai.OpenAIError, _transport_error(self._openai), TimeoutError)
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
            came = self._try(body, tokens)
            if isinstance(came, Reply):
                return came
            if came.bill is not None:
                self._on_bill(came.bill, came.fault)
            if came.status and self._gave_up(came):
                continue  # the same question again, at once
            fault = came.fault
            self._on_wait(came.wait)
            attempt += 1
            if attempt < self.config.attempts:
                self.pace.pause(attempt - 1, self.config.backoff, self.config.longest_pause)
        raise UnansweredError(f"No answer after {self.config.attempts} tries, the last: {fault}")

    def _try(self, body: Mapping[str, Any], tokens: tuple[int, int]) -> Reply | _Failure:
        """One request, paid. Errors of the client end here: what they hold may show the key."""
        reserved, paid = self.purse.reserve(*tokens), None
        try:
            if not self.pace.wait():
                raise StoppedError("Asking was stopped.")
            sent = {name: value for name, value in body.items() if name not in self._refused}
            reply = self._ask(sent, tokens)
            paid, self._has_answered = reply.bill, True
        except self._openai.APIStatusError as error:
            said = self._scrubbed(" ".join(str(error.message).split()))[:300]
            fault, wait = f"HTTP {error.status_code}: {said}", retry_after(error.response.headers)
            return _Failure(fault, int(error.status_code), wait, sent=frozenset(sent))
        except (*self._broken, ValueError) as error:
            paid = None if _never_sent(error) else reserved.bill
            return _Failure(self._scrubbed(_told(error))[:300], bill=paid)
        finally:
            self.purse.settle(reserved, paid)
        return reply

    def _ask(self, sent: Mapping[str, Any], tokens: tuple[int, int]) -> Reply:
        asked = {"model": self.config.model, **sent}
        if "max_tokens" not in sent:
            asked["max_completion_tokens"] = self.config.max_tokens
        if "logprobs" in sent:
            asked["top_logprobs"] = TOP
        until = time.monotonic() + self.config.timeout
        with self._client.chat.completions.with_streaming_response.create(
            **asked, extra_body=self.config.extra or None
        ) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > until:
                    raise TimeoutError(f"the answer was not complete after {self.config.timeout:g} s")
        return read_reply(self._scrubbed(body.decode("utf-8-sig", "replace")), tokens, self.config)

    def _gave_up(self, failure: _Failure) -> bool:
        """Whether a refused field was found, to be left out from now on.

        Raises:
            RefusedError: the server refuses this text.
            UnansweredError: it refuses what may be this text, or whatever it is asked.
            TeacherError: it refuses everything.
        """
        status, said = failure.status, failure.fault
        if status in _UNKNOWN and (field := _refusable(said, failure.sent)):
            self.give_up(field)
            return True
        if status in _FATAL:
            raise TeacherError(
                f"The endpoint {self.config.base_url} refuses requests. {said} Check base_url, model and the "
                f"key in {self.config.key_env or 'no variable: key_env is not set'}."
            )
        if (status < 500 and status not in _WAIT) or status in _UNKNOWN:
            has_answered = self._has_answered or self.purse.spent.requests > self.purse.spent.estimated
            kind = RefusedError if has_answered else UnansweredError
            raise kind(f"The server refuses this text: {said}")
        return False

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
        return said.replace(self._key, "***") if len(self._key) >= SECRET else said


def _refusable(said: str, sent: Collection[str]) -> str | None:
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
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise TeacherError(
            f"The environment variable {config.key_env} holds what cannot be a key: it has spaces, line ends "
            "or characters beyond ASCII. Copy the key again."
        )
    return key


def _transport_error(openai: Any) -> type[Exception]:
    """The base of the errors of the HTTP library that this version of the client is built on."""
    kinds = inspect.getmro(openai.DefaultHttpxClient)
    library = next(kind.__module__ for kind in kinds if not kind.__module__.startswith("openai"))
    found: type[Exception] = importlib.import_module(library.partition(".")[0]).HTTPError
    return found


def _told(error: Exception) -> str:
    """An error with the one behind it, which says more."""
    behind = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{behind}"


def _never_sent(error: Exception) -> bool:
    """Whether a request surely did not reach the server, so that it cannot cost anything."""
    causes = {type(each).__name__ for each in (error, error.__cause__)}
    return bool(causes & {"ConnectError", "ConnectTimeout", "UnsupportedProtocol", "UnicodeEncodeError"})
