"""How the stand-in fails: what esorex would say, and its exit status."""

from __future__ import annotations


class StandInTrouble(Exception):
    """A failure with the lines to print and the exit status of the process."""

    status = 255

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__(lines[0])


class BadCall(StandInTrouble):
    """A wrong option or parameter."""


class MissingInput(StandInTrouble):
    """The SOF, or a file in it, is not there."""

    status = 9


class UnknownRecipe(StandInTrouble):
    """No such recipe."""

    status = 13


class RecipeFailed(StandInTrouble):
    """The recipe cannot make its products from these inputs."""
