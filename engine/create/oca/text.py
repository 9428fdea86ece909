"""Rules as text again: one spelling for everything, so that rule sets can be compared, shown and kept.

Reading the text gives the same rules (places aside). Comments, macros and includes are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.create.oca.model import (
    And,
    Arithmetic,
    Between,
    ClassRule,
    Compare,
    IsType,
    Key,
    Literal,
    Negative,
    Not,
    Or,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.create.oca.model import Action, Assign, Expr, Organise, Rules

OR, AND, NOT, RELATION, SUM, TERM, ATOM = range(7)
_ARITHMETIC = {"+": SUM, "-": SUM, "*": TERM, "/": TERM, "%": TERM}


def canonical(rules: Rules) -> str:
    """The text of a rule set: classification, organisation, actions."""
    parts = [_class(rule, "") for rule in rules.classification]
    parts += [_organise(rule) for rule in rules.organisation]
    parts += ["\n".join(_action(action)) + "\n" for action in rules.actions]
    return "\n".join(parts)


def expression(expr: Expr) -> str:
    """An expression with as few parentheses as it needs."""
    return _loose(expr, OR)


def _loose(expr: Expr, at_least: int) -> str:
    """`expr` where something that binds `at_least` so close is needed."""
    strength, text = _said(expr)
    return text if strength >= at_least else f"({text})"


def _said(expr: Expr) -> tuple[int, str]:
    """How close an expression binds, and its text."""
    match expr:
        case Literal():
            return ATOM, literal(expr.value)
        case Key():
            return ATOM, f"{expr.prefix}.{expr.name}" if expr.prefix else expr.name
        case Compare():
            return RELATION, f"{_loose(expr.left, SUM)} {expr.op} {_loose(expr.right, SUM)}"
        case IsType():
            return RELATION, f"{_loose(expr.left, SUM)} is {expr.kind}"
        case Between():
            word = "tryBetween" if expr.soft else "between"
            low, high = _loose(expr.low, SUM), _loose(expr.high, SUM)
            return RELATION, f"{_loose(expr.left, SUM)} {word} {low} and {high}"
        case Not():
            return NOT, f"not {_loose(expr.term, NOT)}"
        case And():
            return AND, " and ".join(_loose(term, NOT) for term in expr.terms)
        case Or():
            # `and` beside `or` gets parentheses that it does not need: nobody has to know what binds closer
            return OR, " or ".join(_loose(term, NOT) for term in expr.terms)
        case Arithmetic():
            strength = _ARITHMETIC[expr.op]
            return strength, f"{_loose(expr.left, strength)} {expr.op} {_loose(expr.right, strength + 1)}"
        case Negative():
            return ATOM, f"- {_loose(expr.term, ATOM)}"


def literal(value: str | float | bool) -> str:
    """A value as the rules write it."""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, str):
        return f"'{value}'" if '"' in value else f'"{value}"'
    return repr(value)


def _class(rule: ClassRule, margin: str) -> str:
    inner = margin + "  "
    body = [_class(node, inner) if isinstance(node, ClassRule) else inner + _assign(node) + "\n" for node in rule.body]
    return f"{margin}if {expression(rule.test)} then {{\n{''.join(body)}{margin}}}\n"


def _assign(node: Assign) -> str:
    return f"{node.key} = {expression(node.value)};"


def _organise(rule: Organise) -> str:
    text = f"minRet = {rule.min_ret};\n" if rule.min_ret != 1 else ""
    text += f"select execute({rule.action}) from {rule.source}"  # noqa: S608 - OCA, not SQL
    if rule.where is not None:
        text += f"\n  where {expression(rule.where)}"
    if rule.group_by:
        text += f"\n  group by {', '.join(rule.group_by)}"
    if rule.event:
        text += f"\n  as ({', '.join(filter(None, (rule.event, rule.tag)))})"
    return text + ";\n"


def _action(action: Action) -> Iterator[str]:
    yield f"action {action.name} {{"
    for rule in action.associations:
        yield f"  minRet = {rule.min_ret}; maxRet = {rule.max_ret};"
        condition = f"\n    where {expression(rule.where)}" if rule.where is not None else ""
        yield f"  select file as {rule.tag} from {rule.source}{condition};"  # noqa: S608 - OCA, not SQL
    yield from (f"  {_assign(setting)}" for setting in action.settings)
    if action.recipe:
        options = "".join(f" {literal(option)};" for option in action.params)
        yield f"  recipe {action.recipe}{f' {{{options} }}' if options else ';'}"
    for product in action.products:
        yield f"  product {product.name} {{ {' '.join(_assign(node) for node in product.assigns)} }}"
    yield "}"
