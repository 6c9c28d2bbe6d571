import pytest

from understudy.augment import PoolTexts, read_steps, stream_pool
from understudy.augment.pool_files import read_shards
from understudy.errors import ArtifactError


@pytest.fixture
def folder(tmp_path, sentences):
    stream_pool(sentences, read_steps([{"masking": {"passes": 1}}]), tmp_path / "p", source="s")
    return tmp_path / "p"


def test_a_pool_that_was_not_finished_is_not_read(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"not finished\. Run the same command again"):
        next(read_shards(folder))
    with pytest.raises(ArtifactError, match="not finished"):
        len(PoolTexts(folder))


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_shard_is_named(folder, damage):
    (shard,) = folder.glob("*.parquet")
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:40])
    with pytest.raises(ArtifactError, match=r"shard-000000\.parquet is missing or damaged"):
        list(read_shards(folder))
    with pytest.raises(ArtifactError, match=r"shard-000000\.parquet is missing or damaged"):
        list(PoolTexts(folder))


def test_texts_come_with_what_became_of_them(folder, sentences):
    pool = PoolTexts(folder)
    assert len(list(pool)) == len(pool) == sum(count.kept for count in pool.counts)
    assert pool.counts[0].made == len(sentences)
