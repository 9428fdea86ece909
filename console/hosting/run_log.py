"""The run log: every event as a JSON line under `$DFO_MON_DIR/ENGINE/runs/`. For people and scripts.

Never used for recovery: that is the journal's. A full disk costs the log, not the run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from engine.events import Stamped, encode

_KEPT = 200  # run logs of an account


class RunLog:
    """Appends events to one file; call it with every stamped event."""

    def __init__(self, directory: Path, run: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for old in sorted(directory.glob("*.jsonl"))[:-_KEPT]:
            old.unlink(missing_ok=True)
        self.path = directory / f"{run}.jsonl"
        self._file: TextIO = self.path.open("a", encoding="utf-8", errors="surrogateescape")

    def __call__(self, stamped: Stamped) -> None:
        """Write one event; durable ones reach the file at once."""
        self._file.write(json.dumps(encode(stamped), separators=(",", ":"), ensure_ascii=False) + "\n")
        if stamped.event.durable:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
