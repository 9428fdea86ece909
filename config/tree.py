"""DfoTree: the DFO_* / DFS_* directories of one account, resolved exactly once.

Standard library only, so that quick commands can afford it. Variables as in `.dfosrc`
(ab-lifecycle section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# variable -> attribute. Every one must be defined: a tool stops when one is not (dfosrc).
DIRECTORIES = {
    "DFO_RAW_DIR": "raw",
    "DFO_CAL_DIR": "cal",
    "DFO_SCI_DIR": "sci",
    "DFO_LOG_DIR": "log",
    "DFO_PLT_DIR": "plt",
    "DFO_LST_DIR": "lst",
    "DFO_MON_DIR": "mon",
    "DFO_JOB_DIR": "job",
    "DFO_CONFIG_DIR": "config",
    "DFO_AB_DIR": "ab",
    "DFO_BIN_DIR": "bin",
    "DFS_PRODUCT": "product",
    "DFS_LOG_DIR": "dfs_log",
    "TMP_DIR": "tmp",
}


@dataclass(frozen=True, slots=True)
class DfoTree:
    """The directories of an account. `root` bounds everything we may write."""

    root: Path
    raw: Path
    cal: Path
    sci: Path
    log: Path
    plt: Path
    lst: Path
    mon: Path
    job: Path
    config: Path
    ab: Path
    bin: Path
    product: Path
    dfs_log: Path
    tmp: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)  # variable -> file:line that set it

    @property
    def state(self) -> Path:
        """Where the engine keeps its journal, run logs and socket: `$DFO_MON_DIR/ENGINE`."""
        return self.mon / "ENGINE"

    @property
    def journal(self) -> Path:
        """The engine's durable memory (SQLite)."""
        return self.state / "journal.sqlite"

    @property
    def trash(self) -> Path:
        """What was retired, by day: `$DFO_MON_DIR/TRASH`."""
        return self.mon / "TRASH"

    @property
    def vcal(self) -> Path:
        """The container of virtual calibrations."""
        return self.cal / "VCAL"

    def needed(self, variable: str) -> Path:
        """A directory that only some tools need, e.g. DFO_HDR_DIR; KeyError when `.dfosrc` lacks it."""
        return Path(self.variables[variable])

    @property
    def archive(self) -> Path:
        """The local archive's directory."""
        return self.root / "archive"

    def final(self, mode: str) -> Path:
        """`$DFO_CAL_DIR` or `$DFO_SCI_DIR`."""
        return self.cal if mode == "CALIB" else self.sci

    def expand(self, text: str) -> Path:
        """A path of an AB or config file with its $VARIABLES filled in; unknown ones stay as written."""
        return Path(self.filled(text))

    def filled(self, text: str) -> str:
        """The same as text, not looked at any closer."""
        if "$" in text:
            for name in sorted(self.variables, key=len, reverse=True):
                text = text.replace("${" + name + "}", self.variables[name]).replace("$" + name, self.variables[name])
        return text if text.startswith("/") else f"{self.root}/{text}"

    def lengthen(self, text: str) -> Path:
        """The path that `shorten` has written: the $VARIABLE at its beginning filled in, every other $ is a name's."""
        first, slash, rest = text.partition("/")
        known = self.variables.get(first[1:]) if first.startswith("$") else None
        return Path(f"{known}{slash}{rest}" if known else text)

    def shorten(self, path: Path) -> str:
        """A path written with the longest fitting $VARIABLE, as ABs hold it."""
        best = ""
        for name in DIRECTORIES:
            base = self.variables.get(name, "")
            if (
                base
                and (str(path) == base or str(path).startswith(base + "/"))
                and len(base) > len(self.variables.get(best, ""))
            ):
                best = name
        return f"${best}{str(path)[len(self.variables[best]) :]}" if best else str(path)
