"""In what order runs are started, and how long all of them take."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

__all__ = ["Job", "choose_within", "first_fitting", "makespan", "next_job"]

_LATER = 1.02  # by what factor the whole may end later, so that what is cheap is done first


@dataclass(frozen=True)
class Job:
    """What the order of a run depends on.

    Attributes
    ----------
    name : str
    seconds : float
        That it takes, or that are left of it.
    slots : int
        Of the machine's: its share of cores and memory.
    """

    name: str
    seconds: float
    slots: int = 1


def makespan(waiting: Sequence[Job], running: Sequence[Job], slots: int) -> float:
    """Give the seconds until all is done, if the longest that fits is always started next.

    At most 4/3 - 1/(3 slots) of the least there can be, where each job takes one slot (Graham, Bounds on
    multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 1969).

    Parameters
    ----------
    waiting, running : sequence of Job
        None takes more than all slots.
    slots : int
    """
    left = sorted(waiting, key=lambda job: -job.seconds)
    ends = [(job.seconds, job.slots) for job in running]
    heapq.heapify(ends)
    free, now = slots - sum(job.slots for job in running), 0.0
    while left:
        held = []
        for job in left:
            if job.slots <= free:
                free -= job.slots
                heapq.heappush(ends, (now + job.seconds, job.slots))
            else:
                held.append(job)
        left = held
        if not left:
            break
        now, freed = heapq.heappop(ends)
        free += freed
    return max((end for end, _ in ends), default=now)


def next_job(waiting: Sequence[Job], running: Sequence[Job], slots: int) -> Job | None:
    """Choose what is started now: the cheapest, so that there is much to hear early, if all ends no later by it.

    Returns
    -------
    Job or None
        None where nothing fits beside what runs.
    """
    free = slots - sum(job.slots for job in running)
    fitting = sorted((job for job in waiting if job.slots <= free), key=lambda job: (job.seconds, job.name))
    if not fitting:
        return None
    cheapest, longest = fitting[0], fitting[-1]
    others = [job for job in waiting if job is not cheapest]
    after = makespan(others, [*running, cheapest], slots)
    return cheapest if after <= _LATER * makespan(waiting, running, slots) else longest


def first_fitting(waiting: Sequence[Job], running: Sequence[Job], slots: int) -> Job | None:
    """Choose what is started now: the first for which there are slots; None where nothing fits beside what runs."""
    free = slots - sum(job.slots for job in running)
    return next((job for job in waiting if job.slots <= free), None)


def choose_within(
    jobs: Sequence[Job],
    covers: Mapping[str, Set[str]],
    seconds: float,
    slots: int,
    covered: Set[str] = frozenset(),
    running: Sequence[Job] = (),
) -> list[Job]:
    """Choose the jobs that cover most, and that are all done within a time.

    What covers most that is new for its seconds is taken first, as long as it fits (the greedy rule for budgeted
    maximum coverage: Khuller, Moss and Naor, Inf. Process. Lett. 70, 1999); of equals, the first of `jobs`.

    Parameters
    ----------
    jobs : sequence of Job
    covers : mapping of str to set of str
        What each covers, by its name.
    seconds : float
        The budget.
    slots : int
    covered : set of str
        What is covered without them.
    running : sequence of Job
        What takes slots already.

    Returns
    -------
    list of Job
        In the order in which they were taken.
    """
    chosen: list[Job] = []
    new, left = set(covered), list(jobs)
    while left:
        best = max(left, key=lambda job: len(covers[job.name] - new) / max(job.seconds, 1e-9))
        left.remove(best)
        # What does not fit now fits no better beside more.
        if makespan([*chosen, best], running, slots) <= seconds:
            chosen.append(best)
            new |= covers[best.name]
    return chosen
