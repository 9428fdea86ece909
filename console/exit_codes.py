"""Exit codes, one table for all commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code means to cron and to scripts."""

    CLEAN = 0
    SOME_FAILED = 1
    USAGE = 2
    ANSWER_NEEDED = 3
    BUSY = 4
    OPEN_JOURNAL = 5
    TROUBLE = 10
    INTERRUPTED = 130


# The one that matters most when several orders ran: what needs a person comes before what only failed.
_WEIGHT = {0: 0, 1: 1, 3: 2, 2: 4, 4: 5, 5: 6, 130: 9}


def worst(codes: list[int]) -> int:
    """The exit code of a command that carried out several orders."""
    return max(codes, key=lambda code: _WEIGHT.get(code, 7), default=0)


def code_of(trouble: BaseException) -> int:
    """The exit code of an error of ours; TROUBLE for any other."""
    if isinstance(trouble, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return int(getattr(trouble, "exit_code", ExitCode.TROUBLE))
