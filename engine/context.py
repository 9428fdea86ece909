"""What a phase of the engine works with."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config.schema import Settings
from config.tree import DfoTree
from engine.board import Board
from engine.bus import Bus
from engine.questions import Operator


@dataclass(frozen=True)
class Context:
    """Settings and directories of the account, the bus to speak on, the operator to ask, the durable memory.

    `who` signs decisions and status lines; `auto` is true when nobody may be asked; `clock` gives
    seconds since 1970. `pardoned` are the foreign tasks (pid, start) an operator ordered to run in spite of,
    for as long as they live.
    """

    settings: Settings
    tree: DfoTree
    bus: Bus
    board: Board
    operator: Operator
    db: sqlite3.Connection
    who: str
    auto: bool
    clock: Callable[[], float] = field(default=time.time)
    pardoned: set[tuple[int, float]] = field(default_factory=set)

    def utc(self) -> str:
        """Now, as ISO text in UTC with seconds."""
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S")
