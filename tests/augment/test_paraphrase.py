"""Variants bought from a chat endpoint, against a server of our own that misbehaves on purpose."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from chat_server import KEY

from understudy.augment import StepContext, build_pool, normalise_held_out, step
from understudy.augment.dedup import DUPLICATE, HELD_OUT
from understudy.augment.paraphrase import ParaphraseConfig, Paraphraser, messages, response_format
from understudy.augment.paraphrase_ledger import ParaphraseLedger
from understudy.core.progress import Silent
from understudy.errors import MissingExtraError, RecipeError, TeacherError
from understudy.teachers.chat.ledger import ASIDE, LEDGER

TEXTS = [f"a {word} film {n}" for n in range(10) for word in ("good", "bad")]
LABELS = {"good": "the film is worth it"}


pytestmark = pytest.mark.usefixtures("key")


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def options(server, **more):
    facts = {"base_url": server.url, "model": "tiny-chat", "key_env": "TEST_KEY"}
    patience = {"backoff": 0.001, "longest_pause": 0.01, "timeout": 5.0, "concurrency": 4}
    return {**facts, **patience, **more}


def paraphraser(server, folder, tools=None, **more):
    return Paraphraser(
        ParaphraseConfig(**options(server, **more)), replace(tools or StepContext(), kept=folder)
    )


def made(asker, items=TEXTS):
    return [variant for some in asker.make(items) for variant in some]


def lines(folder, name):
    return [json.loads(line) for path in folder.rglob(name) for line in path.read_text().splitlines()]


def test_each_text_has_its_variants_in_order(chat, tmp_path):
    server = chat()
    found = made(paraphraser(server, tmp_path, variants=2))
    assert found == [f"variant {n} of {text}" for text in TEXTS for n in range(2)]
    assert len(server.requests) == len(TEXTS)
    body = server.requests[0]
    assert (body["temperature"], body["max_tokens"]) == (1.0, 1024)
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["variants"] == {"type": "array", "items": {"type": "string"}}
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_labelled_text_is_asked_about_with_its_label():
    config = ParaphraseConfig(base_url="http://x/v1", model="m", labels=LABELS)
    system, user = messages(config, "a good film", ("good", "long"))
    assert "- good: the film is worth it\n- long\n" in system["content"]
    assert "all these labels" in system["content"]
    assert "3 variants" in system["content"]
    assert user == {"role": "user", "content": "a good film"}
    assert "label" not in messages(config, "a good film", ())[0]["content"]
    own = replace(config, instructions="Speak like a pirate.", variants=1)
    said = messages(own, "a good film", ())[0]["content"]
    assert said.startswith("Speak like a pirate.\n")
    assert "one variant" in said


def test_pairs_are_rewritten_together(chat, tmp_path):
    server = chat()
    pairs = [("a room", "a hall"), ("rain", "sun")]
    found = made(paraphraser(server, tmp_path, variants=1), pairs)
    assert found == [("variant 0 of a room", "a hall"), ("variant 0 of rain", "sun")]
    assert "Rewrite both" in server.requests[0]["messages"][0]["content"]
    items = response_format(is_pair=True)["json_schema"]["schema"]["properties"]["variants"]["items"]
    assert items["required"] == ["first", "second"]
    assert made(paraphraser(server, tmp_path, variants=1), pairs) == found
    assert len(server.requests) == 2


def test_nothing_is_paid_twice(chat, tmp_path, monkeypatch):
    server = chat()
    first = made(paraphraser(server, tmp_path), TEXTS[:8])
    again = made(paraphraser(server, tmp_path))
    assert again[: len(first)] == first
    assert len(server.requests) == len(TEXTS)
    monkeypatch.delenv("TEST_KEY")
    assert made(paraphraser(server, tmp_path)) == again  # what is bought needs no key
    assert paraphraser(server, tmp_path).answers.bill.requests == len(TEXTS)


def test_what_changes_the_question_is_asked_again(chat, tmp_path):
    server = chat()
    tools = StepContext(labels={TEXTS[0]: ("good",), TEXTS[1]: ("bad",)})
    assert len(paraphraser(server, tmp_path, tools).missing(TEXTS)) == len(TEXTS)
    made(paraphraser(server, tmp_path, tools))
    assert paraphraser(server, tmp_path, tools, labels=LABELS).missing(TEXTS) == [TEXTS[0]]
    assert not paraphraser(server, tmp_path, tools, max_tokens=90, concurrency=1).missing(TEXTS)
    for more in ({"variants": 5}, {"temperature": 0.5}, {"instructions": "?"}, {"extra": {"top_k": 5}}):
        assert len(paraphraser(server, tmp_path, tools, **more).missing(TEXTS)) == len(TEXTS)
    assert len(paraphraser(server, tmp_path, tools, model="other").missing(TEXTS)) == len(TEXTS)


def test_failures_that_may_pass_are_tried_again(chat, tmp_path):
    moods = [(429, {"Retry-After": "0"}), (500, {}), "cut", "garbage", "said", "wrong", "blank", "empty"]
    server = chat(moods)
    found = made(paraphraser(server, tmp_path, variants=1, concurrency=1, repairs=4))
    assert found == [f"variant 0 of {text}" for text in TEXTS]
    bill = paraphraser(server, tmp_path).answers.bill
    assert bill.requests == len(TEXTS) + 6  # two were lost on the way, four could not be read
    assert bill.estimated == 2


def test_json_is_found_in_prose_and_cleaned(chat, tmp_path):
    server = chat(["prose", "messy"])
    found = made(paraphraser(server, tmp_path, variants=3, concurrency=1), TEXTS[:2])
    assert found[:3] == [f"variant {n} of {TEXTS[0]}" for n in range(3)]
    assert found[3:] == ["one two", "three"]


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("said", "no JSON with variants"),
        ("wrong", "no JSON with variants"),
        ("blank", "holds no variant"),
        ("empty", "answer is empty"),
        ("cut off", "raise max_tokens"),
    ],
)
def test_texts_are_set_aside_with_the_reason(chat, tmp_path, mood, reason):
    server = chat(mood_of=lambda text, _: mood if "bad" in text else "well")
    ears = Ears()
    asker = paraphraser(server, tmp_path, StepContext(progress=ears), variants=1, repairs=1)
    assert len(made(asker)) == 10
    assert {line["text"] for line in lines(tmp_path, ASIDE)} == set(TEXTS[1::2])
    assert all(reason in line["reason"] for line in lines(tmp_path, ASIDE))
    assert any("10 texts have no usable answer" in said for said in ears.heard)
    before = len(server.requests)
    assert before == 10 + 2 * 10
    assert len(made(paraphraser(server, tmp_path, variants=1))) == 10
    assert len(server.requests) == before


def test_a_budget_stops_cleanly_and_is_continued(chat, tmp_path):
    server, ears = chat(), Ears()
    part = made(paraphraser(server, tmp_path, StepContext(progress=ears), variants=1, budget_requests=6))
    assert len(part) == 6
    assert any("14 texts are not paraphrased. The budget of 6 requests" in said for said in ears.heard)
    rest = made(paraphraser(server, tmp_path, variants=1, budget_requests=100))
    assert len(rest) == len(server.requests) == len(TEXTS)


def test_a_server_that_does_not_answer_ends_the_step(chat, tmp_path):
    server = chat(mood_of=lambda text, _: (500, {}) if text == TEXTS[3] else "well")
    with pytest.raises(TeacherError, match=r"1 texts were not paraphrased.*run again"):
        made(paraphraser(server, tmp_path, attempts=2))
    assert len(paraphraser(server, tmp_path).missing(TEXTS)) == 1
    with pytest.raises(TeacherError, match="refuses requests"):
        made(paraphraser(chat([(401, {})] * 9), tmp_path))


def test_so_many_texts_are_drawn(chat, tmp_path):
    server = chat()
    asker = paraphraser(server, tmp_path, StepContext(seed=3), most=5)
    chosen = asker.chosen(TEXTS)
    assert len(set(chosen)) == 5
    assert list(chosen) == sorted(chosen, key=TEXTS.index)
    assert chosen == paraphraser(server, tmp_path, StepContext(seed=3), most=5).chosen(TEXTS)
    assert chosen != paraphraser(server, tmp_path, StepContext(seed=4), most=5).chosen(TEXTS)
    assert paraphraser(server, tmp_path).missing(["", " ", "a"]) == ["a"]


def test_variants_pass_the_same_sieve(chat, tmp_path):
    server = chat()
    judges = normalise_held_out(["VARIANT 0  of a good film 0"])
    labelled = [*TEXTS, "variant 1 of a good film 0"]
    paid = step("paraphrase", options(server, variants=3))
    pool = build_pool(labelled, (), [paid], held_out=judges, tools=StepContext(kept=tmp_path))
    assert len(pool) == 3 * len(labelled) - 2
    assert pool.reports[1].removed == {HELD_OUT: 1, DUPLICATE: 1}
    again = build_pool(labelled, (), [paid], held_out=judges, tools=StepContext(kept=tmp_path))
    assert again.items == pool.items


def test_what_was_bought_needs_a_place(chat):
    with pytest.raises(RecipeError, match="Name a folder"):
        build_pool(TEXTS, (), [step("paraphrase", options(chat()))])


def test_options_are_checked_and_no_secret_is_shown(chat):
    for wrong, message in (
        ({"variants": 0}, "variants is 0"),
        ({"most": -1}, "most is -1"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"base_url": "ftp://x"}, "base_url must be"),
        ({"targets": "soft"}, "has no option 'targets'"),
    ):
        with pytest.raises(RecipeError, match=message):
            step("paraphrase", options(chat(), **wrong))
    with pytest.raises(RecipeError, match="key_env must be the name") as refused:
        step("paraphrase", options(chat(), key_env="sk-0123456789abcdef"))
    assert "sk-0123" not in str(refused.value)


def test_the_key_is_written_nowhere(chat, tmp_path):
    server = chat([(500, {})])
    made(paraphraser(server, tmp_path))
    assert lines(tmp_path, LEDGER)
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_without_the_client_it_says_what_to_install(chat, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match="endpoint"):
        made(paraphraser(chat(), tmp_path))


KILLED = """
import json, sys
from pathlib import Path
from understudy.augment import StepContext, build_pool, step
paid = step("paraphrase", json.loads(sys.argv[1]))
build_pool(json.loads(sys.argv[2]), (), [paid], tools=StepContext(kept=Path(sys.argv[3])))
"""


def test_a_killed_run_pays_nothing_twice(chat, tmp_path):
    server = chat(delay=0.05)
    facts = json.dumps(options(server))
    command = [sys.executable, "-c", KILLED, facts, json.dumps(TEXTS), str(tmp_path)]
    running = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while server.answered < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert 8 <= server.answered < len(TEXTS)
    (folder,) = (tmp_path / "paraphrases").iterdir()
    with (folder / LEDGER).open("ab") as file:
        file.write(b'{"requests": 1, "key')  # cut by the kill
    kept = ParaphraseLedger(folder).bill.requests
    assert server.answered - 4 <= kept <= server.answered  # no more is lost than was in flight
    made(paraphraser(server, tmp_path))
    assert ParaphraseLedger(folder).bill.requests == len(TEXTS)
    assert server.answered - len(TEXTS) <= 4
