"""Ranks under `torchrun`, with no other set-up than starting it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_song import tune, write_shards

from streams import DataStream, LaneScheme, ShuffledScheme, Song, Windows

SCRIPT = """
import json, os, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from streams import DataStream, LaneScheme, ShuffledScheme, Song, Windows

folder, scheme = Path(sys.argv[2]), {"LaneScheme": LaneScheme, "ShuffledScheme": ShuffledScheme}[sys.argv[3]]
windows = Windows(Song.open(folder), 20, 10)
stream = DataStream(windows, scheme(len(windows), 50), prefetch=1)
given = []
for inputs, targets in stream.get_epoch_iterator():
    given.append([stream.indices.tolist(), stream.batch_examples, float(inputs.astype("f8").sum())])
(Path(sys.argv[4]) / os.environ["RANK"]).write_text(json.dumps(given))
"""


@pytest.mark.parametrize("scheme", [ShuffledScheme, LaneScheme])
def test_together_the_ranks_give_each_mini_batch_once_and_in_order(tmp_path, scheme):
    folder = write_shards(tmp_path / "song", tune(31_600))
    script, out = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    out.mkdir()
    path = json.dumps([str(Path("src").resolve()), str(Path().resolve())])
    words = ["--standalone", "--nproc-per-node", "3", script, path, folder, scheme.__name__, out]
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *map(str, words)], check=True, capture_output=True, timeout=120
    )
    ranks = [json.loads((out / str(rank)).read_text()) for rank in range(3)]
    windows = Windows(Song.open(folder), 20, 10)
    alone = DataStream(windows, scheme(len(windows), 50), rank=0, world_size=1)
    batches = list(alone.get_epoch_iterator())
    assert [len(rank) for rank in ranks] == [len(batches)] * 3
    assert len(alone.indices) % 3, "the last mini-batch is to be uneven"
    alone = DataStream(windows, scheme(len(windows), 50), rank=0, world_size=1)
    for number, (inputs, _) in enumerate(alone.get_epoch_iterator()):
        parts = [rank[number] for rank in ranks]
        assert [index for part in parts for index in part[0]] == alone.indices.tolist()
        assert {part[1] for part in parts} == {len(inputs)}
        np.testing.assert_allclose(sum(part[2] for part in parts), inputs.astype("f8").sum(), rtol=1e-12, atol=1e-9)
