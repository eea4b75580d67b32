import numpy as np
import pytest

from benchmarks.long_reader import shuffle_seconds
from benchmarks.long_runs import LongPlan, ratios_of_long, read_long_songs
from benchmarks.long_song import write_long_song
from streams import ShardWriter, Song
from streams.index import read_index


@pytest.mark.parametrize(
    ("samples", "block", "blocks"), [(7000, 1000, 3), (6000, 1000, 3), (50, 1000, 3), (6001, 50, 4)]
)
def test_it_is_what_the_writer_would_have_written(tmp_path, samples, block, blocks):
    sparse, plain = tmp_path / "sparse", tmp_path / "plain"
    write_long_song(sparse, samples, block_samples=block, blocks_per_shard=blocks)
    song = Song.open(sparse)
    song.verify()
    index = read_index(sparse)
    with ShardWriter(
        plain,
        sample_rate=song.sample_rate,
        source=index.source,
        made_by=index.made_by,
        block_samples=block,
        blocks_per_shard=blocks,
    ) as writer:
        writer.write(np.array(song[:]))
    assert {path.name: path.read_bytes() for path in sparse.iterdir()} == {
        path.name: path.read_bytes() for path in plain.iterdir()
    }


def test_silence_takes_no_room(tmp_path):
    write_long_song(tmp_path / "song", 1 << 22)
    found = (tmp_path / "song" / "song-000000.tar").stat()
    assert found.st_size > 1 << 23
    assert found.st_blocks * 512 < found.st_size / 8


def test_long_songs_are_read_and_opened(tmp_path):
    openings = ((10, 5, 50, "ShuffledScheme"), (10, 5, 1, "ShardShuffledScheme"))
    plan = LongPlan(hours=(0.01, 0.02), epochs=((10, 5),), openings=openings, times=1)
    rows = read_long_songs(tmp_path, plan)
    assert [(row["kind"], row["case"], row["hours"]) for row in rows] == [
        ("epoch", "10x5", 0.01),
        ("epoch", "10x5", 0.02),
        ("opening", "10x5", 0.02),
        ("opening", "10x5/hop1", 0.02),
    ]
    samples = 0.02 * 3600 * 16_000
    assert [row["examples"] for row in rows[1:]] == [(samples - 10) // 50, (samples - 10) // 50, samples - 59]
    assert rows[1]["mini_batches"] == -(-rows[1]["examples"] // 128)
    assert all(0 < row["first_batch_seconds"] < 60 for row in rows)
    ratios = ratios_of_long(rows)
    assert ratios["first_batch_ms:10x5:0.02h"] == rows[2]["first_batch_seconds"] * 1e3
    assert "first_batch_over_shuffle_and_50ms:10x5:0.02h" in ratios
    assert "first_batch_over_shuffle_and_50ms:10x5/hop1:0.02h" not in ratios
    assert {"anonymous_mb:10x5:0.01h", "anonymous_last_over_first_tenth:10x5:0.02h"} <= set(ratios)


def test_a_shuffle_is_timed():
    assert 0 < shuffle_seconds(1000) < 60
