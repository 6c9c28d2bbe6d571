import pytest

from understudy.augment import known_steps, read_steps
from understudy.augment.fingerprint import digests, path_options
from understudy.core.manifest import file_digest
from understudy.errors import RecipeError

CHAT = {"base_url": "http://localhost:1/v1", "model": "MODEL", "key_env": None}


def test_files_of_every_kind_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("tags.tsv", "synonyms.tsv", "glove.txt", "domain.txt", "own.txt", "more.csv"):
        (tmp_path / name).write_text(name)
    for name in ("MODEL", "there", "back", "causal", "set"):
        (tmp_path / name / "old").mkdir(parents=True)
        (tmp_path / name / "weights.bin").write_text(name)
    steps = read_steps(
        [
            {"pos-swap": {"tags": "tags.tsv"}},
            {"eda": {"synonyms": "synonyms.tsv"}},
            {"eda": {"vectors": "glove.txt"}},
            {"mlm": {"model": "bert-base-uncased", "vectors": "own.txt"}},
            {"generate": {"model": "causal"}},
            {"back-translate": {"there": "there", "back": "back", "mlm": {"model": "MODEL"}}},
            {"merge": {"sources": ["sst2", "more.csv", "set"]}},
            {"domain": {"top": 3, "by": "vectors", "vectors": "domain.txt"}},
        ]
    )
    found = digests(steps)
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert found == {str(path): file_digest(path) for path in files}


def test_a_model_behind_a_server_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MODEL").mkdir()
    (tmp_path / "MODEL" / "weights.bin").write_text("x")
    assert digests(read_steps([{"paraphrase": CHAT}, "rules", "length"])) == {}


def test_the_configs_say_which_options_may_be_paths():
    paths = {name: set(path_options(entry.config)) for name, entry in known_steps().items()}
    assert {name: options for name, options in paths.items() if options} == {
        "back-translate": {"there", "back"},
        "domain": {"vectors"},
        "eda": {"synonyms", "vectors"},
        "generate": {"model"},
        "merge": {"sources"},
        "mlm": {"model", "vectors"},
        "pos-swap": {"tags"},
        "rules": {"tags"},
    }


def test_a_name_that_no_file_can_have_is_refused_in_a_sentence():
    with pytest.raises(RecipeError, match=r"A step names 'xxx.*, which cannot be read: File name too long"):
        digests(read_steps([{"mlm": {"model": "x" * 5000}}]))
