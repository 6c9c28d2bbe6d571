"""A server that speaks the chat protocol on a local port, and misbehaves on purpose."""

import json
import math
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD, BAD = ("good", "great"), ("bad", "dull")
KEY = "SECRET-of-the-test-8fe1"


FIRST = ("choices", 0)
TOKEN = (*FIRST, "logprobs", "content", 0)

# mood → paths in the JSON of an answer, and what stands there: a value, or a function of the usual answer
ODD = {
    "parts": [((*FIRST, "message", "content"), lambda said: [{"type": "text", "text": said}])],
    "number": [((*FIRST, "message", "content"), 3)],
    "no message": [((*FIRST, "message"), None)],
    "refusal": [((*FIRST, "message", "content"), None), ((*FIRST, "message", "refusal"), "I cannot.")],
    "tools": [((*FIRST, "message", "content"), None), ((*FIRST, "message", "tool_calls"), [{"id": "1"}])],
    "no choice": [(("choices",), [])],
    "choices in a mapping": [(("choices",), {"first": 1})],
    "nan": [((*TOKEN, "logprob"), math.nan), ((*TOKEN, "top_logprobs", 0, "logprob"), math.nan)],
    "null": [((*TOKEN, "logprob"), None), ((*TOKEN, "top_logprobs", 0, "logprob"), None)],
    "word": [((*TOKEN, "logprob"), "sure"), ((*TOKEN, "top_logprobs", 0, "logprob"), "sure")],
    "positive": [((*TOKEN, "logprob"), 22.5), ((*TOKEN, "top_logprobs", 0, "logprob"), 22.5)],
    "no tops": [((*TOKEN, "top_logprobs"), None)],
    "tops are words": [((*TOKEN, "top_logprobs"), ["A", "B"])],
    "tops in a mapping": [((*TOKEN, "top_logprobs"), {"A": -0.1})],
    "tokens are words": [((*FIRST, "logprobs", "content"), ["A"])],
    "old logprobs": [((*FIRST, "logprobs"), {"tokens": ["A"], "token_logprobs": [-0.1]})],
    "negative bill": [(("usage",), {"prompt_tokens": -9000, "completion_tokens": 1})],
    "absurd bill": [(("usage",), {"prompt_tokens": 10**400, "completion_tokens": 1})],
    "bill in words": [(("usage",), "nothing")],
    "half a bill": [(("usage",), {"prompt_tokens": 100, "completion_tokens": None})],
}


def judge(text):
    """Label and how sure: what the server thinks of a text."""
    good = sum(text.count(word) for word in GOOD) - sum(text.count(word) for word in BAD)
    return ("good" if good > 0 else "bad"), 0.5 + 0.45 * min(1, abs(good))


def completion(content, tops, *, finish="stop", tokens=(100, 10)):
    """The JSON of an answer; ``tops`` are the tokens that may stand first and their log-probabilities."""
    listed = [{"token": token, "logprob": value, "bytes": None} for token, value in tops]
    prompt, answer = tokens
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, "refusal": None},
        "finish_reason": finish,
        "logprobs": {"content": [{**listed[0], "top_logprobs": listed}], "refusal": None} if listed else None,
    }
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny-chat",
        "choices": [choice],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
    }


class Chat:
    """What the server does, and what it was asked.

    ``moods`` are taken one by one, a request each; where there are none left it behaves. ``mood_of`` may
    choose by the text instead.
    """

    def __init__(self, moods=(), *, has_logprobs=True, refuses=(), mood_of=None, delay=0.0):
        self.moods, self.has_logprobs, self.refuses = list(moods), has_logprobs, set(refuses)
        self.mood_of, self.delay = mood_of, delay
        self.requests, self.seen, self.headers, self.times = [], Counter(), [], []
        self.answered = 0
        self.flying = self.most_flying = 0
        self.lock = threading.Lock()
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def config(self, **more):
        from understudy.teachers.configs import EndpointConfig

        facts = {
            "base_url": self.url,
            "model": "tiny-chat",
            "labels": {"bad": "the film is not worth it", "good": "the film is worth it"},
            "key_env": "TEST_KEY",
            "backoff": 0.001,
            "longest_pause": 0.01,
            "timeout": 5.0,
            "concurrency": 4,
        }
        return EndpointConfig(**{**facts, **more})

    def mood(self, text):
        if self.mood_of is not None:
            return self.mood_of(text, self.seen[text])
        return self.moods.pop(0) if self.moods else "well"

    def complete(self, body, mood):
        """The JSON of an answer."""
        system, text = (part["content"] for part in body["messages"])
        label, sure = judge(text)
        codes = {name: code for code, name in re.findall(r"^(\w+) = (\w+)", system, flags=re.MULTILINE)}
        by_code = bool(codes)
        answer = codes[label] if by_code else json.dumps({"label": label})
        if '"labels"' in system:
            held = [word for word in ("good", "film") if word in text]
            answer = json.dumps({"labels": held})
        answer = {
            "prose": f'Sure! Here it is:\n```json\n{{"label": "{label}"}}\n```\nI hope it helps {{you}}.',
            "said": f"I would say that this one is {label}.",
            "both": "It is good and bad.",
            "wrong": '{"label": "splendid"}',
            "invalid": '{"label": ',
            "empty": None,
        }.get(mood, answer)
        if '"variants"' in system:
            answer = self.vary(text, mood)
        tops = []
        if body.get("logprobs") and self.has_logprobs and mood != "bare":
            others = [code for code in codes.values() if code != codes[label]]
            tops = [(str(answer)[:1] if mood != "well" else f" {codes[label]}", math.log(sure))]
            tops += [(code, math.log((1 - sure) / len(others) * 0.98)) for code in others]
            tops = [*tops, ("</s>", -9999.0)]
        finish = "length" if mood == "cut off" else "stop" if answer else "content_filter"
        done = completion(answer, tops, finish=finish)
        if mood == "unbilled":
            del done["usage"]
        for path, value in ODD.get(mood, ()):
            *way, last = path
            place = done
            for step in way:
                place = place[step]
            place[last] = value(answer) if callable(value) else value
        return done

    def vary(self, text, mood):
        """Variants of a text or a pair, as JSON or not quite."""
        first, _, second = text.removeprefix("First text:\n").partition("\n\nSecond text:\n")
        said = [f"variant {n} of {first}" for n in range(5)]
        if second:
            said = [{"first": one, "second": second} for one in said]
        whole = json.dumps({"variants": said})
        return {
            "prose": f"Sure!\n```json\n{whole}\n```",
            "cut off": whole[:30],
            "blank": json.dumps({"variants": ["", "  ", 7, None]}),
            "wrong": json.dumps({"variants": "one"}),
            "messy": json.dumps({"variants": [" one\n two ", "one two", "", "three"]}),
            "said": "I cannot do that.",
            "empty": None,
        }.get(mood, whole)


PAGES = {
    "page": ("text/html", b"<html><body>Bad gateway</body></html>"),
    "false page": ("application/json", b"<html><body>Bad gateway</body></html>"),
    "error": ("application/json", b'{"error": {"message": "Provider returned error", "code": 502}}'),
    "list": ("application/json", b"[]"),
    "nothing": ("application/json", b""),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        chat = self.server.chat
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][1]["content"]
        with chat.lock:
            mood = chat.mood(text)
            chat.seen[text] += 1
            chat.requests.append(body)
            chat.headers.append({name.title(): said for name, said in self.headers.items()})
            chat.times.append(time.monotonic())
            chat.flying += 1
            chat.most_flying = max(chat.most_flying, chat.flying)
        try:
            time.sleep(chat.delay)
            self.answer(chat, body, mood)
        finally:
            with chat.lock:
                chat.flying -= 1

    def answer(self, chat, body, mood):
        refused = [name for name in chat.refuses if name in body]
        if refused:
            self.send(400, {"error": {"message": f"Unsupported parameter: '{refused[0]}'."}})
        elif isinstance(mood, tuple):
            status, headers = mood
            self.send(status, {"error": {"message": f"key {KEY} is not welcome"}}, headers)
        elif mood == "slow":
            time.sleep(0.4)
            self.close_connection = True
        elif mood in PAGES:
            kind, data = PAGES[mood]
            self.begin(kind, ("Content-Length", str(len(data))))
            self.wfile.write(data)
        elif mood == "drip":
            self.begin("application/json", ("Content-Length", "400"))
            for _ in range(400):
                self.wfile.write(b" ")
                time.sleep(0.01)
        elif mood == "chunks":
            self.begin("application/json", ("Transfer-Encoding", "chunked"))
            self.wfile.write(b'6\r\n{"id":\r\n')
            self.close_connection = True
        elif mood == "packed":
            self.begin("application/json", ("Content-Encoding", "gzip"), ("Content-Length", "4"))
            self.wfile.write(b"gzip")
        elif mood == "cut":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"id": "1", "choi')
            self.close_connection = True
        elif mood == "garbage":
            self.send(200, None)
        else:
            chat.answered += 1
            self.send(200, chat.complete(body, mood))

    def begin(self, kind, *headers):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for header in headers:
            self.send_header(*header)
        self.end_headers()

    def send(self, status, value, headers=()):
        data = b"{not json" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, said in dict(headers).items():
            self.send_header(name, said)
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients that give up break the pipe


@contextmanager
def serve(chat):
    """Run the server on a free port."""
    server = Server(("127.0.0.1", 0), Handler)
    server.chat, chat.port = chat, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
