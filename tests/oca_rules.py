"""For tests about OCA: rule texts and files, rules without where they stand, rule sets made at random."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from engine.create.oca.frame import Frame
from engine.create.oca.load import load
from engine.create.oca.model import (
    Action,
    And,
    Arithmetic,
    Assign,
    Association,
    At,
    Between,
    ClassRule,
    Compare,
    Expr,
    IsType,
    Key,
    Literal,
    Negative,
    Not,
    Or,
    Organise,
    ProductRule,
    Rules,
)
from engine.create.oca.organise import Group
from engine.create.oca.reading import Reading
from engine.create.oca.ruleset import RuleSet

INSTALLED = {path.stem: path for path in sorted(Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.oca"))}
HERE = At("", 1)


def rules(text: str, reading: Reading | None = None) -> RuleSet:
    """The rules of a text, ready."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "test.oca"
        path.write_text(text)
        return RuleSet(load(path), reading)


def installed(name: str, reading: Reading | None = None) -> RuleSet:
    """The rules that a pipeline installs."""
    return RuleSet(load(INSTALLED[name]), reading)


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


def bare(node: Any) -> Any:
    """The model without places, problems and the name of the file: equal for rule sets that say the same."""
    if isinstance(node, tuple):
        return tuple(map(bare, node))
    if not is_dataclass(node):
        return type(node).__name__, node
    left_out = {"at", "problems"} | ({"name"} if isinstance(node, Rules) else set())
    return type(node).__name__, *(bare(getattr(node, one.name)) for one in fields(node) if one.name not in left_out)


_names = st.from_regex(r"[A-Z][A-Z0-9_]{0,4}", fullmatch=True).map(lambda text: f"{text}_X")
_keys = st.builds(Key, st.sampled_from(["", "inputFile", "LF"]), st.lists(_names, min_size=1, max_size=3).map(".".join))
_plain = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\"'"), max_size=6)
_texts = _plain | _plain.map(lambda text: text + '"') | _plain.map(lambda text: text + "'")
_numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
_atoms = _keys | st.builds(Literal, _texts | _numbers | st.booleans())


def _more(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    number = (int, float)
    signed = inner.filter(lambda node: not (isinstance(node, Literal) and type(node.value) in number))
    compared = st.sampled_from(["==", "!=", "?=", "<", "<=", ">", ">=", "like"])
    return (
        st.builds(And, several)
        | st.builds(Or, several)
        | st.builds(Not, inner)
        | st.builds(Negative, signed)
        | st.builds(Arithmetic, st.sampled_from("+-*/%"), inner, inner)
        | st.builds(Compare, compared, inner, inner, st.just(HERE))
        | st.builds(IsType, inner, st.sampled_from(["string", "undefined", "int"]), st.just(HERE))
        | st.builds(Between, inner, inner, inner, st.booleans(), st.just(HERE))
    )


EXPRESSIONS: st.SearchStrategy[Expr] = st.recursive(_atoms, _more, max_leaves=8)
_assigns = st.builds(Assign, _names, EXPRESSIONS, st.just(HERE))
_many = st.lists(_assigns, max_size=2).map(tuple)
_sources = st.sampled_from(["inputFiles", "calibFiles", "rawFiles"])


def _conditions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[ClassRule]:
    return st.builds(ClassRule, EXPRESSIONS, st.lists(inner, max_size=2).map(tuple), st.just(HERE))


# three deep: the reader refuses what is nested without bound
_class_rules = _conditions(_assigns | _conditions(_assigns | _conditions(_assigns)))
_organise = st.builds(
    lambda names, source, where, keys, smallest: Organise(
        names[0], source, where, tuple(keys), *(names[1:3] if len(names) > 2 else ("", "")), smallest, HERE
    ),
    st.lists(_names, min_size=1, max_size=3),
    _sources,
    st.none() | EXPRESSIONS,
    st.lists(_names, max_size=3),
    st.integers(1, 5),
)
_limits = st.sampled_from([(0, 0), (0, 1), (1, 1), (3, -1), (2, 9)])
_associations = st.builds(
    lambda tag, source, where, limits: Association(tag, source, where, *limits, HERE),
    _names,
    _sources,
    st.none() | EXPRESSIONS,
    _limits,
)
_options = st.lists(_names, unique=True, max_size=3).map(lambda names: tuple(f"--{name}=1,2:3" for name in names))
_actions = st.builds(
    lambda name, associations, recipe, options, products, settings: Action(
        name, tuple(associations), recipe, options if recipe else (), tuple(products), settings, HERE
    ),
    _names,
    st.lists(_associations, max_size=2),
    st.just("") | _names,
    _options,
    st.lists(st.builds(ProductRule, _names, _many, st.just(HERE)), max_size=2),
    _many,
)
RULES = st.builds(
    lambda one, two, three: Rules("", tuple(one), tuple(two), tuple(three)),
    st.lists(_class_rules, max_size=2),
    st.lists(_organise, max_size=2),
    st.lists(_actions, max_size=2),
)
