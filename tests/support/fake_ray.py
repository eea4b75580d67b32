"""The small part of Ray that workers use, acted: what an actor answers, and when, is a script."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    pass


class ActorUnavailableError(RayError):
    pass


class ActorDiedError(RayError):
    def __init__(self, message: str, *, actor_init_failed: bool = False) -> None:
        super().__init__(message)
        self.actor_init_failed = actor_init_failed


class Call:
    """What a call gives later: a value, an error, or nothing yet."""

    def __init__(self) -> None:
        self.result: Any = None


class Actor:
    """One actor: what was asked of it, and its only call that waits."""

    def __init__(self, needs: dict[str, Any], threads: int) -> None:
        self.needs, self.threads = needs, threads
        self.asked: list[tuple[str, Any]] = []
        self.waiting: Call | None = None
        self.killed = False

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Call:
            self.asked.append((name, *arguments))
            call = Call()
            if name == "hear":
                assert self.waiting is None, "one call at a time"
                self.waiting = call
            return call

        return SimpleNamespace(remote=remote)

    def answers(self, result: Any) -> None:
        assert self.waiting is not None
        self.waiting.result, self.waiting = result, None


class FakeRay:
    exceptions = SimpleNamespace(
        RayError=RayError, ActorUnavailableError=ActorUnavailableError, ActorDiedError=ActorDiedError
    )

    def __init__(self) -> None:
        self.actors: list[Actor] = []

    def remote(self, kind: type) -> Any:
        def options(**needs: Any) -> Any:
            def begin(threads: int) -> Actor:
                self.actors.append(Actor(needs, threads))
                return self.actors[-1]

            return SimpleNamespace(remote=begin)

        return SimpleNamespace(options=options)

    def wait(self, calls: Sequence[Call], timeout: float) -> tuple[list[Call], list[Call]]:
        return [call for call in calls if call.result is not None], [call for call in calls if call.result is None]

    def get(self, call: Call) -> Any:
        if isinstance(call.result, Exception):
            raise call.result
        return call.result

    def kill(self, actor: Actor, *, no_restart: bool) -> None:
        assert no_restart
        actor.killed = True
