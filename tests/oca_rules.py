"""Rule texts and files for tests of what OCA rules mean."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.create.oca.frame import Frame
from engine.create.oca.load import load
from engine.create.oca.organise import Group
from engine.create.oca.reading import Reading
from engine.create.oca.ruleset import RuleSet

INSTALLED = Path("/usr/share/cpl-plugins")


def rules(text: str, reading: Reading | None = None) -> RuleSet:
    """The rules of a text, ready."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "test.oca"
        path.write_text(text)
        return RuleSet(load(path), reading)


def installed(name: str, reading: Reading | None = None) -> RuleSet:
    """The rules that a pipeline installs."""
    return RuleSet(load(max(INSTALLED.glob(f"{name}-*/gasgano/config/{name}.oca"))), reading)


def classified(ruleset: RuleSet, name: str, *, virtual: bool = False, **header: object) -> Frame:
    """A classified file; keys are written with two underlines for a dot and one for a hyphen: MJD_OBS, DO__CATG."""
    keys = {key.replace("__", ".").replace("MJD_OBS", "MJD-OBS"): value for key, value in header.items()}
    frame = Frame(f"{name}.fits", keys, virtual=virtual)
    ruleset.classify(frame)
    return frame


def names(groups: Iterable[Group], action: str = "") -> list[list[str]]:
    """The names of the members of every group, of one action or of all."""
    return [[file.name for file in group.members] for group in groups if action in ("", group.rule.action)]


def only(groups: Sequence[Group], action: str) -> Group:
    """The one group of an action."""
    (found,) = [group for group in groups if group.rule.action == action]
    return found
