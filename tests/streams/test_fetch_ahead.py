import threading
from dataclasses import dataclass

import pytest

from streams import StorageError
from streams.fetch_ahead import FetchAhead


@dataclass(frozen=True)
class Named:
    """What is looked at of a shard."""

    name: str


class Fetching:
    """Fetches that end when they are told to, and that are written down."""

    def __init__(self, room: int = 99) -> None:
        self.asked: list[str] = []
        self.may_end, self.changed = threading.Semaphore(0), threading.Condition()
        self.room = room

    def __call__(self, shard: Named) -> bool:
        with self.changed:
            self.asked.append(shard.name)
            self.changed.notify_all()
        assert self.may_end.acquire(timeout=10)
        if shard.name == "broken":
            raise StorageError("broken")
        return len(self.asked) <= self.room

    def wait_for(self, count: int) -> list[str]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, 10), self.asked
            return list(self.asked)

    def end(self, count: int = 1) -> None:
        for _ in range(count):
            self.may_end.release()


@pytest.fixture
def fetching():
    fetching = Fetching()
    yield fetching
    fetching.end(100)


def shards(*names: str) -> tuple[Named, ...]:
    return tuple(map(Named, names))


def test_what_is_nearest_is_fetched_first_and_no_more_at_once_than_there_are_threads(fetching):
    ahead = FetchAhead(fetching, threads=1)
    ahead.want(shards("a", "b", "c"))
    assert fetching.wait_for(1) == ["a"]
    fetching.end(2)
    assert fetching.wait_for(3) == ["a", "b", "c"]
    ahead.close()


def test_the_same_wish_again_fetches_nothing_again(fetching):
    ahead = FetchAhead(fetching, threads=1)
    for _ in range(3):
        ahead.want(shards("a", "b"))
    fetching.end(10)
    assert fetching.wait_for(2) == ["a", "b"]
    ahead.want(shards("b", "c"))
    assert fetching.wait_for(4) == ["a", "b", "b", "c"]
    ahead.close()


def test_another_wish_takes_the_place_of_what_was_not_begun(fetching):
    ahead = FetchAhead(fetching, threads=1)
    ahead.want(shards("a", "b", "c"))
    fetching.wait_for(1)
    ahead.want(shards("x", "y"))
    fetching.end(10)
    assert fetching.wait_for(3) == ["a", "x", "y"]
    ahead.close()


@pytest.mark.parametrize("reason", ["no room", "an error"])
def test_what_cannot_be_fetched_ends_the_wish_and_not_the_threads(fetching, reason):
    fetching.room = 0 if reason == "no room" else 99
    ahead = FetchAhead(fetching, threads=1)
    ahead.want(shards("a" if reason == "no room" else "broken", "b", "c"))
    fetching.wait_for(1)
    fetching.end(10)
    fetching.room = 99
    ahead.want(shards("x"))
    assert fetching.wait_for(2)[-1] == "x"
    assert "c" not in fetching.asked
    ahead.close()


def test_a_closed_one_ends_its_threads(fetching):
    before = set(threading.enumerate())
    ahead = FetchAhead(fetching, threads=3)
    ahead.want(shards("a"))
    fetching.wait_for(1)
    ahead.close()
    fetching.end()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
