"""What is wrong with a configuration: file, line, key, and the nearest spelling."""

from __future__ import annotations


class ConfigTrouble(Exception):
    """A configuration file, key or environment variable is wrong or missing. Exit code 2.

    `problems` lists every trouble found in one go, each a sentence that begins with `file:line`.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
