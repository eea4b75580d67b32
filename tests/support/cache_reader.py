"""A process that reads shards through the cache, compares them, and says how many were right.

``python cache_reader.py FOLDER CAPACITY URL SHARDS READS SEED``: SHARDS is JSON, a list of [name, bytes, sha256].
Ends with 0 where all were right, 3 where one was not, 1 where reading failed.
"""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

from shard_server import ServedShard

from streams.cache import ShardCache
from streams.http_storage import HttpStorage
from streams.retries import Retries


def main(folder: str, capacity: str, url: str, shards: str, reads: str, seed: str) -> int:
    chosen = random.Random(int(seed))
    known = [ServedShard(*fields) for fields in json.loads(shards)]
    cache = ShardCache(Path(folder), int(capacity), retries=Retries(pause=0.01), wait_limit=30.0)
    storage = HttpStorage(url)
    for _ in range(int(reads)):
        shard, ahead = chosen.choice(known), chosen.choice(known)
        with cache.acquire(storage, shard) as cached:
            cache.fetch(storage, ahead)
            data = os.pread(cached.fileno(), shard.bytes + 1, 0)
            if hashlib.sha256(data).hexdigest() != shard.sha256:
                return 3
    print(f"{reads} right")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
