"""How a tool ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Exit code of the table (0 clean, 1 finished with findings, ...) and one line for the operator."""

    exit_code: int
    text: str
