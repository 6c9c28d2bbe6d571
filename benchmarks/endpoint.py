"""An endpoint that misbehaves, a run that is killed, and the bill afterwards, all with the bundled set.

A chat server on a local port knows the gold labels of `bundled:concierge`. `understudy distill` gets its
texts without labels, and the server as the teacher. About one request in nine fails: refused (429, 500), cut
off in the middle, or answered with what names no label. The process is killed outright after `--kill-after`
answers, and the same command is given again. Then what the server sent is compared with what the ledger says
was paid. The last line is JSON.
Run: python benchmarks/endpoint.py [--kill-after 1000] [--texts 4340] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "shared"))
from chat_server import Chat, completion, serve

from understudy.core.task import Item
from understudy.data import load_dataset
from understudy.targets.ledger import Ledger, read_aside
from understudy.teachers.chat.ledger import ASIDE, LEDGER

KEY = "UNDERSTUDY_BENCHMARK_KEY"
PRICE_IN, PRICE_OUT = 0.15, 0.60
MOODS = {"429": 0.03, "500": 0.03, "cut": 0.02, "invalid": 0.03}
SURE = 0.9
LISTED = 20


class Oracle(Chat):
    """A server that knows the answers, gives them with log-probabilities, and now and then fails."""

    def __init__(self, golds: dict[str, str], seed: int) -> None:
        super().__init__(mood_of=self.fail, delay=0.002)
        self.golds, self.random = golds, random.Random(seed)
        self.moods_of: Counter[str] = Counter()

    def fail(self, _text: str, _times: int) -> Any:
        """The mood of the next request."""
        name = self.random.choices([*MOODS, "well"], [*MOODS.values(), 1 - sum(MOODS.values())])[0]
        self.moods_of[name] += 1
        return {"429": (429, {"retry-after-ms": "20"}), "500": (500, {})}.get(name, name)

    def complete(self, body: dict, mood: str) -> dict:
        """The body of an answer; "invalid" ones name no label."""
        system, text = (part["content"] for part in body["messages"])
        codes = {name: code for code, name in re.findall(r"^(\w+) = (\w+)", system, flags=re.MULTILINE)}
        right = codes[self.golds[text]]
        rest = (1 - SURE) / (len(codes) - 1)
        chances = {code: SURE if code == right else rest for code in sorted(codes.values(), key=right.__ne__)}
        tops = [(code, math.log(p)) for code, p in chances.items()][:LISTED]
        if mood != "well":
            return completion("{oops", [("{", -0.01)], tokens=(100, 1))
        return completion(right, tops, tokens=(100, 1))


def write_recipe(folder: Path, url: str, texts: list[str], labels: tuple[str, ...]) -> Path:
    """The texts without labels, and a recipe that has the server for its teacher."""
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    endpoint = {
        "base_url": url,
        "model": "oracle",
        "key_env": KEY,
        "labels": {label: f"the guest's message is about {label.replace('_', ' ')}" for label in labels},
        "price_in": PRICE_IN,
        "price_out": PRICE_OUT,
        "backoff": 0.01,
        "timeout": 5.0,
    }
    recipe = {
        "data": {"unlabelled": [str(folder / "texts.txt")]},
        "teacher": {"endpoint": endpoint},
        "students": ["cbow.v1"],
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path


def run_killed(command: list[str], server: Oracle, kill_after: int, log: Path) -> dict[str, Any]:
    """Give the command, kill it in the middle of labelling, and give it again."""
    started = time.perf_counter()
    with log.open("wb") as out:
        first = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        while server.answered < kill_after and first.poll() is None:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.wait()
        killed_at = server.answered
        second = subprocess.run(command, check=False, stdout=out, stderr=subprocess.STDOUT, timeout=3600)
    if second.returncode:
        sys.exit(log.read_text(encoding="utf-8"))
    return {"killed_at": killed_at, "seconds": time.perf_counter() - started}


def audit(run: Path, server: Oracle, texts: list[str]) -> dict[str, Any]:
    """What was sent against what was booked, and the labels against gold."""
    folder = next((run / "logits").glob(f"*/{LEDGER}")).parent
    ledger = Ledger(folder / LEDGER)
    items: list[Item] = list(texts)
    labelled, _ = ledger.rows(items)
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    bill = ledger.bill
    return {
        "texts": len(texts),
        "requests_seen": len(server.requests),
        "moods": dict(server.moods_of),
        "answers_sent": server.answered,
        "answers_booked": bill.requests - bill.estimated,
        "lost_ones_estimated": bill.estimated,
        "cost": round(bill.cost, 6),
        "texts_with_an_answer": len(labelled),
        "set_aside": len(read_aside(folder / ASIDE)),
        "most_asked_of_a_text": max(server.seen.values()),
        "sizes": report["data"]["sizes"],
        "rows": [
            {name: row[name] for name in ("name", "metric", "score", "agreement") if name in row}
            for row in report["rows"]
        ],
        "key_is_written_somewhere": any(
            os.environ[KEY].encode() in path.read_bytes() for path in run.rglob("*") if path.is_file()
        ),
    }


def main() -> None:
    """Serve, distil, kill, distil, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kill-after", type=int, default=1000, help="answers before the process is killed")
    parser.add_argument("--texts", type=int, help="how many texts; all when not given")
    parser.add_argument("--folder", type=Path, help="keep the run there")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = load_dataset("bundled:concierge")
    golds = {
        str(text): data.task.labels[label]
        for split in (data.train, data.dev, data.test)
        for text, label in zip(split.texts, split.labels, strict=True)
    }
    texts = list(golds)[: args.texts]
    os.environ[KEY] = "not-for-any-file-4711"
    server = Oracle(golds, args.seed)
    with tempfile.TemporaryDirectory() as temporary, serve(server):
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        recipe = write_recipe(folder, server.url, texts, data.task.labels)
        out = folder / "run"
        command = [sys.executable, "-m", "understudy", "distill", "--recipe", str(recipe), "--out", str(out)]
        timed = run_killed(command, server, args.kill_after, folder / "log.txt")
        facts = {**timed, **audit(out, server, texts)}
        print((folder / "log.txt").read_text(encoding="utf-8"))
        print(*(out / "report.md").read_text(encoding="utf-8").splitlines()[:5], sep="\n")
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
