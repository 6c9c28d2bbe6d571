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
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from understudy.errors import MissingExtraError, TeacherError
from understudy.teachers.chat.budget import Budget, Usage
from understudy.teachers.chat.completion import Reply, read_reply
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.rate_limit import RateLimiter, retry_after

NO_KEY = "none"
"""What is sent to servers that want no key; the client library insists on one."""

SECRET = 8
"""Fewest characters of a key that is hidden in messages. A shorter one, such as people give to servers of
their own, hides nothing, and occurs in many texts."""

TOP = 20
"""The greatest number of tokens whose log-probabilities the protocol gives."""

OPTIONAL: Mapping[str, str] = {
    "max_tokens": r"max_(completion_)?tokens",
    "logprobs": r"logprob",
    "response_format": r"response.?format|json.?schema|structured",
    "temperature": r"temperature",
}
"""Fields that some servers refuse, and the words of their complaints."""

_UNKNOWN = (400, 404, 415, 422, 501)  # servers answer so to a field that they do not know
_FATAL = (401, 402, 404, 405)  # the key, the money, the model or the address is at fault, never one text
_WAIT = (408, 409, 429)
_OF_TEXT = (
    400,
    413,
    422,
)  # complaints about what was sent; 403 and others may be about the key or the region


class UnansweredError(TeacherError):
    """The server did not answer this request, however often it was asked; the message says how it failed."""


class StoppedError(TeacherError):
    """All threads were told to stop."""


class RefusedError(UnansweredError):
    """The server refused this request, perhaps for its text; one that refuses all is at fault itself.

    Args:
        fault: A message for the user.
        may_concern_all: Whether the status may be about the key, the project or the region instead.
    """

    def __init__(self, fault: str, *, may_concern_all: bool = False) -> None:
        super().__init__(fault)
        self.may_concern_all = may_concern_all


class _RedirectError(TeacherError):
    """The server pointed to another host, to which no text is sent."""


@dataclass(frozen=True)
class _Failure:
    """What came instead of a reply.

    Attributes:
        fault: A message for the user, without the key.
        status: HTTP status; 0 where none came.
        wait: Seconds that the server asks to wait.
        bill: What it may have cost; ``None`` where it certainly cost nothing.
        sent: Names of the fields that were sent.
        is_redirect: Whether the server pointed to another host.
    """

    fault: str
    status: int = 0
    wait: float | None = None
    bill: Usage | None = None
    sent: frozenset[str] = frozenset()
    is_redirect: bool = False


class ChatClient:
    """A connection to the server that several threads share.

    It learns which optional fields the server refuses (log-probabilities, schemas, temperature, the name of
    the limit of tokens), and leaves them out from then on.

    Args:
        config: Address, key, and how patiently the server is asked.
        budget: Pays for every request.
        limiter: Rate limit and pauses that all threads share.
        on_bill: Called with the usage and the fault of each request whose answer was lost.

    Raises:
        MissingExtraError: The client library is not installed.
        TeacherError: The key's environment variable is not set.
    """

    def __init__(
        self,
        config: ServerConfig,
        budget: Budget,
        limiter: RateLimiter,
        on_bill: Callable[[Usage, str], None],
    ) -> None:
        self._openai = _client_library()
        self.config, self.budget, self.limiter = config, budget, limiter
        self._on_bill = on_bill
        self._key = _key(config)

        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._has_answered = False
        self._broken = (self._openai.OpenAIError, _transport_error(self._openai), TimeoutError)

        self._client = self._openai.OpenAI(
            api_key=self._key,
            base_url=config.base_url,
            timeout=config.timeout,
            max_retries=0,
            http_client=self._openai.DefaultHttpxClient(event_hooks={"response": [self._check_redirect]}),
        )

    @property
    def has_answered(self) -> bool:
        """Whether the server answered a request of this client."""
        return self._has_answered

    @property
    def ever_answered(self) -> bool:
        """Whether the server ever answered a request of this teacher, earlier runs included."""
        return self._has_answered or self.budget.spent.requests > self.budget.spent.estimated

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def takes(self, field: str) -> bool:
        """Whether the server is not known to refuse a field: ``logprobs`` or ``response_format``."""
        return field not in self._refused

    def give_up(self, field: str) -> None:
        """Leave out a field from now on."""
        with self._lock:
            self._refused.add(field)

    def send(self, body: Mapping[str, object], tokens: tuple[int, int]) -> Reply:
        """Ask, and ask again after failures that may pass.

        Args:
            body: ``messages`` and the fields of `OPTIONAL` that are wanted.
            tokens: Estimated tokens of prompt and answer.

        Raises:
            BudgetSpentError: Nothing was sent.
            RefusedError: The server will not answer this very request.
            UnansweredError: Every try failed.
            TeacherError: The server refuses to answer at all.
            StoppedError: All threads were told to stop.
        """
        fault, attempt = "", 0
        while attempt < self.config.attempts:
            came = self._try(body, tokens)
            if isinstance(came, Reply):
                return came
            if came.bill is not None:
                self._on_bill(came.bill, came.fault)
            if came.is_redirect:
                raise TeacherError(came.fault)
            if came.status and self._dropped_field(came):
                continue  # the same question again, at once, without the field

            fault = came.fault
            self._on_wait(came.wait)
            attempt += 1
            if attempt < self.config.attempts:
                self.limiter.pause(attempt - 1, self.config.backoff, self.config.longest_pause)
        raise UnansweredError(f"No answer after {self.config.attempts} tries, the last: {fault}")

    def _try(self, body: Mapping[str, object], tokens: tuple[int, int]) -> Reply | _Failure:
        """One request, paid. Errors of the client end here: what they hold may show the key."""
        reserved, paid = self.budget.reserve(*tokens), None
        try:
            if not self.limiter.wait():
                raise StoppedError("Asking was stopped.")
            sent = {name: value for name, value in body.items() if name not in self._refused}

            reply = self._ask(sent, tokens)
            paid, self._has_answered = reply.bill, True
        except self._openai.APIStatusError as error:
            complaint = self._scrubbed(" ".join(str(error.message).split()))[:300]
            fault, wait = f"HTTP {error.status_code}: {complaint}", retry_after(error.response.headers)
            return _Failure(fault, int(error.status_code), wait, sent=frozenset(sent))
        except (*self._broken, _RedirectError, ValueError) as error:
            if redirect := _redirect_behind(error):
                return _Failure(self._scrubbed(str(redirect)), is_redirect=True)
            paid = None if _never_sent(error) else reserved.bill
            return _Failure(self._scrubbed(_described(error))[:300], bill=paid)
        finally:
            self.budget.settle(reserved, paid)
        return reply

    def _ask(self, sent: Mapping[str, object], tokens: tuple[int, int]) -> Reply:
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

    def _dropped_field(self, failure: _Failure) -> bool:
        """Whether the server refused a field, which is left out from now on.

        Raises:
            RefusedError: It refuses this request.
            TeacherError: It refuses every request.
        """
        status = failure.status
        if status in _UNKNOWN and (field := _refusable(failure.fault, failure.sent)):
            self.give_up(field)
            return True
        if status in _FATAL:
            self.refuse_all(failure.fault)
        if (status < 500 and status not in _WAIT) or status in _UNKNOWN:
            fault = f"The server refuses this text: {failure.fault}"
            raise RefusedError(fault, may_concern_all=status not in _OF_TEXT)
        return False

    def refuse_all(self, fault: str) -> NoReturn:
        """Say that the server refuses every request, and what to check.

        Raises:
            TeacherError: Always.
        """
        raise TeacherError(
            f"The endpoint {self.config.base_url} refuses requests. {fault} Check base_url, model and the "
            f"key in {self.config.key_env or 'no variable: key_env is not set'}."
        )

    def _check_redirect(self, response: Any) -> None:
        """Refuse to follow the server to another host, or from an encrypted connection to a plain one."""
        if not response.has_redirect_location:
            return
        here = urlsplit(self.config.base_url)
        target = urlsplit(urljoin(str(response.request.url), response.headers["location"]))
        if target.hostname == here.hostname and (target.scheme == "https" or here.scheme == "http"):
            return
        raise _RedirectError(
            f"The endpoint {self.config.base_url} answers with a redirect (HTTP {response.status_code}) to "
            f"{target.scheme}://{target.netloc}. Texts are sent only to the host in the recipe: if you trust "
            "the other one, name it in base_url."
        )

    def _on_wait(self, seconds: float | None) -> None:
        if seconds is None:
            return
        if seconds > self.config.patience:
            raise TeacherError(
                f"The endpoint asks to wait {seconds:,.0f} s, more than its patience "
                f"({self.config.patience:g} s). What was bought is kept: run again later."
            )
        self.limiter.hold(seconds)

    def _scrubbed(self, text: str) -> str:
        return text.replace(self._key, "***") if len(self._key) >= SECRET else text


def _refusable(complaint: str, sent: Collection[str]) -> str | None:
    """The optional field that a complaint is about: one that was sent, and that the complaint names."""
    named = (name for name in OPTIONAL if name in sent and re.search(OPTIONAL[name], complaint, re.I))
    return next(named, None)


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
            "Set it, or write key_env: null for a server that wants no key."
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
    base: type[Exception] = importlib.import_module(library.partition(".")[0]).HTTPError
    return base


def _redirect_behind(error: Exception) -> _RedirectError | None:
    """The refused redirect that the client library wrapped into an error of its own, if it was one."""
    causes = (error, error.__cause__)
    return next((cause for cause in causes if isinstance(cause, _RedirectError)), None)


def _described(error: Exception) -> str:
    """An error together with its cause, which says more."""
    behind = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{behind}"


def _never_sent(error: Exception) -> bool:
    """Whether a request certainly did not reach the server, so that it cannot cost anything."""
    causes = {type(each).__name__ for each in (error, error.__cause__)}
    return bool(causes & {"ConnectError", "ConnectTimeout", "UnsupportedProtocol", "UnicodeEncodeError"})
