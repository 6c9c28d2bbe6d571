import shutil
import subprocess
import sys

import pytest

from understudy.errors import RecipeError
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.run import Member, alone
from understudy.teachers.source import resolve

HOLD = """
import sys
from pathlib import Path
from understudy.pipeline.run import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_one_process_own_until_it_ends_however_it_ends(tmp_path):
    out, data = tmp_path / "run", tmp_path / "data.csv"
    data.write_text(
        "text,label\n" + "".join(f"film {n},{'ab'[n % 2]}\n" for n in range(40)), encoding="utf-8"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RecipeError, match=r"Another process is at work in .*run\. Wait .* --out"):
            distill(str(data), out=out, until="data")
        assert not (out / "recipe.yaml").exists()
        distill(str(data), out=tmp_path / "elsewhere", until="data")
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()
    assert distill(str(data), out=out, until="data").folder == out


def test_it_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), alone(tmp_path):
        _ = 1 / 0
    with alone(tmp_path), pytest.raises(RecipeError, match="Another process"), alone(tmp_path):
        pass


def test_code_of_a_teacher_is_trusted_only_where_the_recipe_says_so(bert, tmp_path):
    for said, expected in (({}, False), ({"trust_remote_code": True}, True)):
        recipe = Recipe(data={"source": "s"}, teacher={"model": str(bert), **said})
        source = resolve(str(bert), trust_remote_code=recipe.teacher.trust_remote_code)
        member = Member("teacher", source, tmp_path, recipe)
        assert source.trust_remote_code is expected
        if not expected:
            assert member.order.trust_remote_code is False
            continue
        with pytest.warns(UserWarning, match="trust_remote_code is set"):
            assert member.order.trust_remote_code


def test_a_changed_vocabulary_file_makes_another_teacher(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "teacher")
    recipe = Recipe(data={"source": "s"}, teacher={"model": str(folder)})
    keys = []
    for words in ("good\nbad", "bad\ngood"):
        (folder / "added_vocabulary.txt").write_text(words, encoding="utf-8")
        keys.append(Member("teacher", resolve(str(folder)), tmp_path, recipe).key)
    assert keys[0] != keys[1]
