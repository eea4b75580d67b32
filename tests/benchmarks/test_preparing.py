from benchmarks import preparing
from benchmarks.preparing import prepare_songs, ratios_of_preparing


def test_both_ways_are_timed_for_each_format(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "FORMATS", {"wav": preparing.FORMATS["wav"]})
    rows = prepare_songs(tmp_path, minutes=0.1, rounds=2)
    assert [(row["candidate"], row["shape"]) for row in rows] == [("decode", "wav"), ("shard", "wav")]
    assert [len(row["prepare_seconds_each"]) for row in rows] == [2, 2]
    ratios = ratios_of_preparing(rows)
    assert ratios == {"shard_over_decoding:wav": rows[0]["prepare_seconds"] / rows[1]["prepare_seconds"]}
    assert not (tmp_path / "shards").exists()
