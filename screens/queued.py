"""What waits to be done, as plain values: a library makes them, screens draw them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A line of JOBS_INGEST or JOBS_EXPORT. `number` counts all jobs from 1; `mode` is '' for a line nobody knows.

    `states` are (state, files) of the products; `size` is their bytes; `why` the first thing that went wrong.
    """

    number: int
    queue: str
    line: str
    mode: str = ""
    date: str = ""
    states: tuple[tuple[str, int], ...] = ()
    size: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class JobFile:
    """One product of a job: bytes, state, tries so far, result in words."""

    name: str
    size: int
    state: str
    tries: int
    result: str
