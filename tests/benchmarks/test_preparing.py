from benchmarks.preparing import prepare_songs, ratios_of_preparing


def test_both_ways_are_timed_for_each_format(tmp_path):
    rows = prepare_songs(tmp_path, minutes=0.1, rounds=2, endings=["wav", "flac"])
    found = [(row["candidate"], row["shape"]) for row in rows]
    assert found == [("decode", "wav"), ("shard", "wav"), ("decode", "flac"), ("shard", "flac")]
    assert {len(row["prepare_seconds_each"]) for row in rows} == {2}
    ratios = ratios_of_preparing(rows)
    assert ratios["shard_over_decoding:wav"] == rows[0]["prepare_seconds"] / rows[1]["prepare_seconds"]
    assert ratios["shard_over_decoding:flac"] == rows[2]["prepare_seconds"] / rows[3]["prepare_seconds"]
    assert not (tmp_path / "shards").exists()
