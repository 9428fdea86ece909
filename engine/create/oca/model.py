"""What a rule file says: the tree that the parser makes and everything else reads.

Every rule keeps where it stands, so that an AB can say which rule made it. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class At:
    """A place in a rule file as the operator knows it (before includes and macros): line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


# --- expressions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number or boolean as written in the rules."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Key:
    """A FITS key without HIERARCH ESO. `prefix` is inputFile, LF or SIG, '' for the file itself."""

    prefix: str
    name: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`; op is ==, !=, ?=, <, <=, >, >=, like or regexp."""

    op: str
    left: Expr
    right: Expr
    at: At


@dataclass(frozen=True, slots=True)
class IsType:
    """`left is kind`: string, undefined, number, int, float or boolean."""

    left: Expr
    kind: str
    at: At


@dataclass(frozen=True, slots=True)
class Between:
    """`left between low and high`; `soft` for tryBetween: outside is allowed, but NOK."""

    left: Expr
    low: Expr
    high: Expr
    soft: bool
    at: At


@dataclass(frozen=True, slots=True)
class Not:
    """Boolean negation: true also where the term is false because a key is missing."""

    term: Expr


@dataclass(frozen=True, slots=True)
class And:
    """All terms."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any term."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`; op is + - * / %."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Negative:
    """`- term`."""

    term: Expr


Expr: TypeAlias = Literal | Key | Compare | IsType | Between | Not | And | Or | Arithmetic | Negative


# --- rules ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assign:
    """`key = value;`."""

    key: str
    value: Expr
    at: At


@dataclass(frozen=True, slots=True)
class ClassRule:
    """`if test then { ... }`: every true rule runs, a later one overwrites."""

    test: Expr
    body: tuple[Assign | ClassRule, ...]
    at: At


@dataclass(frozen=True, slots=True)
class Organise:
    """`select execute(action) from source where ... group by ... as (event,tag);`.

    `event` and `tag` are '' where the rule has no `as`. `min_ret` is the smallest group (top-level minRet, else 1).
    """

    action: str
    source: str
    where: Expr | None
    group_by: tuple[str, ...]
    event: str
    tag: str
    min_ret: int
    at: At


@dataclass(frozen=True, slots=True)
class Association:
    """`select file as tag from source where ...;` with the limits that hold for it (domain rules 5 and 6).

    `max_ret` -1: no limit; 0: switched off.
    """

    tag: str
    source: str
    where: Expr | None
    min_ret: int
    max_ret: int
    at: At


@dataclass(frozen=True, slots=True)
class ProductRule:
    """`product name { ... }`."""

    name: str
    assigns: tuple[Assign, ...]
    at: At


@dataclass(frozen=True, slots=True)
class Action:
    """What is done with a group. `recipe` is '' where none is named; `params` are its options as written, one each.

    `settings` are the other assignments of the action, e.g. priority.
    """

    name: str
    associations: tuple[Association, ...]
    recipe: str
    params: tuple[str, ...]
    products: tuple[ProductRule, ...]
    settings: tuple[Assign, ...]
    at: At


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule check has to say: level is error, warning or info; `code` names the kind of finding."""

    level: str
    code: str
    text: str
    at: At


@dataclass(frozen=True, slots=True)
class Rules:
    """A whole rule set in the order of its text. With problems of level error it is partial, and must be confirmed."""

    name: str
    classification: tuple[ClassRule, ...]
    organisation: tuple[Organise, ...]
    actions: tuple[Action, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def partial(self) -> bool:
        """True when something could not be read and was left out."""
        return any(problem.level == "error" for problem in self.problems)
