"""What the stand-in says, as esorex would: INFO and WARNING to stdout, ERROR to stderr, all to `.logfile`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

LEVELS = ("debug", "info", "warning", "error", "off")
_LABELS = {"debug": "[ DEBUG ]", "info": "[ INFO  ]", "warning": "[WARNING]", "error": "[ ERROR ]"}
LOGFILE = ".logfile"


class Log:
    """The log of one call. `who` is the recipe once it is known."""

    def __init__(self, directory: Path, message_level: str = "info", log_level: str = "info") -> None:
        self.who = "esorex"
        self.message_level, self.log_level = LEVELS.index(message_level), LEVELS.index(log_level)
        self.path = directory / LOGFILE
        self._file = self.path.open("w", encoding="utf-8")
        self.raw(
            f"Start time     : {time.strftime('%Y-%m-%dT%H:%M:%S')}\n"
            "Program name   : stand-in\n"
            f"Severity level : {_LABELS.get(log_level, '[  OFF  ]')} \n\n",
        )

    def raw(self, text: str) -> None:
        """Text into the log file only, as it is."""
        self._file.write(text)
        self._file.flush()

    def info(self, text: str) -> None:
        """A line of progress."""
        self._say("info", text, sys.stdout)

    def warning(self, text: str) -> None:
        """Something the operator may want to know."""
        self._say("warning", text, sys.stdout)

    def error(self, text: str) -> None:
        """A failure."""
        self._say("error", text, sys.stderr)

    def close(self, target: Path) -> None:
        """End the log and give it its final name."""
        self._file.close()
        self.path.replace(target)

    def _say(self, level: str, text: str, stream: TextIO) -> None:
        line = f"{time.strftime('%H:%M:%S')} {_LABELS[level]} {self.who}: [tid=000] {text}\n"
        if LEVELS.index(level) >= self.message_level:
            stream.write(line)
            stream.flush()
        if LEVELS.index(level) >= self.log_level:
            self.raw(line)
