"""A recipe in another folder is carried out on the files beside it, and the saved one from anywhere."""

from understudy.core.progress import Silent
from understudy.pipeline.distillation import distill

WORDS = ("good", "great", "bad", "dull")

RECIPE = """
data: {source: data.csv, unlabelled: ["more*.txt"]}
teacher: {callable: "MODULE:scores"}
students: ["cbow.v1:width=8"]
augment: [{eda: {synonyms: pairs.tsv, operations: [synonyms], stop_words: 0}}]
training: {embeddings: vectors.txt, epochs: 1}
loss: {name: mse}
"""


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def scores(texts):
    return [[0.0, 3.0] if {"good", "great"} & set(text.split()) else [3.0, 0.0] for text in texts]


def write_files(folder):
    texts = [f"a {word} film {n}" for n in range(20) for word in WORDS]
    label = {"good": "good", "great": "good", "bad": "bad", "dull": "bad"}
    rows = [f"{text},{label[text.split()[1]]}\n" for text in texts]
    (folder / "data.csv").write_text("text,label\n" + "".join(rows))
    (folder / "more1.txt").write_text("".join(f"the {word} room {n}\n" for n in range(5) for word in WORDS))
    (folder / "pairs.tsv").write_text("film\tmovie\nroom\tplace\n")
    vectors = [f"{word} 0.1 0.2 0.3 {n}.0\n" for n, word in enumerate(WORDS)]
    (folder / "vectors.txt").write_text("".join(vectors))
    (folder / "recipe.yaml").write_text(RECIPE.replace("MODULE", __name__))


def test_a_recipe_in_another_folder_is_carried_out(tmp_path, monkeypatch):
    home, elsewhere, third = (tmp_path / name for name in ("home", "elsewhere", "third"))
    for folder in (home, elsewhere, third):
        folder.mkdir()
    write_files(home)
    for path in home.glob("*.*"):  # files of the same names that must not be read
        (elsewhere / path.name).write_text("wrong")
    monkeypatch.chdir(elsewhere)

    out = tmp_path / "run"
    distill(recipe=home / "recipe.yaml", out=out, until="train")
    assert "movie" in (out / "augment" / "pool.jsonl").read_text()

    monkeypatch.chdir(third)
    ears = Ears()
    distill(recipe=out / "recipe.yaml", out=out, until="train", progress=ears)
    stages = [sentence for sentence in ears.heard if "skipped" in sentence]
    assert len(stages) == len(("data", "augment", "label", "train", "train on labels only", "baseline"))
    assert not any(": done in" in sentence for sentence in ears.heard)


def test_a_recipe_as_a_mapping(tmp_path):
    write_files(tmp_path)
    tree = {
        "data": {"source": str(tmp_path / "data.csv")},
        "teacher": {"callable": f"{__name__}:scores"},
        "training": {"epochs": 1},
    }
    result = distill(recipe=tree, out=tmp_path / "run", until="label")
    assert result.students == ("linear.v1", "cbow.v2", "dan.v2", "kim-cnn.v1")
    assert (result.folder / "logits" / "label.json").is_file()
