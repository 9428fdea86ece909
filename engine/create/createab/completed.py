"""What an AB_PGI makes of the ABs that createAB proposes, before anything is written. Pure.

It sees the whole pool: the proposals, and those at work as they stand. What it changes is sealed anew, so that an AB
as the plugin completed it counts as made by createAB, not as edited by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.core.ab import AB, parse
from engine.create.createab.ab_text import sealed
from engine.create.createab.plan import AGAIN, KEPT, CreatePlan, Decision, Standing
from engine.errors import BadAb

Edit = Callable[[tuple[AB, ...]], tuple[AB, ...]]


def completed(plan: CreatePlan, standing: Standing, edit: Edit) -> CreatePlan:
    """Let `edit` complete the ABs of a plan; those that no rule makes come as `added`.

    An AB it leaves out is not written; those that are kept stay whatever it says. BadAb when one that it adds belongs
    to another pool.
    """
    pool = _pool(plan, standing)
    proposed = {ab.name: ab for ab in edit(tuple(pool.values()))} if pool else {}
    known = {one.made.name for one in plan.decisions} | set(standing.abs) | set(standing.moved)
    added = tuple(_sealed(ab) for name, ab in proposed.items() if name not in known)
    for ab in added:
        if (ab.mode, ab.date) != (plan.mode, plan.date):
            raise BadAb(f"belongs to {ab.mode} {ab.date}, not to {plan.mode} {plan.date}", where=ab.name)
    left = {one.made.name for one in plan.written} - set(proposed)
    gone = left - set(standing.abs)
    return replace(
        plan,
        decisions=tuple(_decided(one, proposed, standing) for one in plan.decisions if one.made.name not in left),
        added=added,
        listing=(*(line for line in plan.listing if line.split()[0] not in gone), *map(_line, added)),
        notes=(*plan.notes, *([f"AB_PGI left out {len(left)} ABs, first {min(left)}"] if left else [])),
    )


def _pool(plan: CreatePlan, standing: Standing) -> dict[str, AB]:
    """All ABs of the pool as they will stand: in the order of processing, then those the rules know nothing of."""
    pool = {}
    for one in plan.decisions:
        name = one.made.name
        if one.written:
            pool[name] = parse(one.text.encode("utf-8", "surrogateescape"), name)
        elif name in standing.abs:
            pool[name] = standing.abs[name]
    others = ((name, ab) for name, ab in standing.abs.items() if (ab.mode, ab.date) == (plan.mode, plan.date))
    return {**pool, **{name: ab for name, ab in others if name not in pool}}


def _decided(one: Decision, proposed: Mapping[str, AB], standing: Standing) -> Decision:
    if not one.written:
        return one
    text = _text(_sealed(proposed[one.made.name]))
    there = standing.abs.get(one.made.name)
    if one.what == AGAIN and there is not None and there.status == "CREATED" and _text(there) == text:
        return replace(one, what=KEPT, why="CREATED, nothing has changed", text="")
    return replace(one, text=text)


def _sealed(ab: AB) -> AB:
    return parse(sealed(_text(ab)).encode("utf-8", "surrogateescape"), ab.where)


def _text(ab: AB) -> str:
    return ab.render().decode("utf-8", "surrogateescape")


def _line(ab: AB) -> str:
    """A line of the AB_list."""
    return " ".join((ab.name, ab.raw_type, ",".join(ab.values("RAW_MATCH_KEY")) or "-", ab.get("AB_EVENT") or "-"))
