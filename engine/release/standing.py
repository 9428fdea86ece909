"""Which ABs of a pool may move: verdicts, and who follows whom. Pure.

Reviewed ABs have a verdict of their own. The others follow what was made from them: they are
accepted with an accepted one, stay with rejected ones, and stay as long as something that needs
their products is undecided or unfinished. So a target moves when it is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from config.schema import Settings
from engine.core.ab import AB
from engine.core.cascade import Cascade, cascade
from engine.errors import BadAb
from engine.stores.verdicts import ACCEPTED, Verdict

READY, REJECTED, UNDECIDED, UNFINISHED = "ready", "rejected", "undecided", "unfinished"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an AB may move. `by` is the reviewed AB whose verdict counts, `verdict` what was decided on it."""

    standing: str
    why: str
    by: str = ""
    verdict: Verdict | None = None


def kind_name(ab: AB, settings: Settings) -> str:
    """The kind of an AB in the instance's table; '' when it is none of them."""
    for name, kind in settings.kinds.items():
        if (kind.tag, kind.recipe) == (ab.tag, ab.recipe) and (not kind.raw_types or ab.raw_type in kind.raw_types):
            return name
    return ""


def pattern(ab: AB, settings: Settings) -> str:
    """PATTERN of a science AB, e.g. DEEP40: the number of frames that go into it; '' for calibrations."""
    frames = sum(entry.tag == ab.raw_type for entry in ab.sof)
    return settings.certification.pattern.replace("{n}", str(frames)) if ab.mode == "SCIENCE" else ""


def reviewed(abs_: Iterable[AB], settings: Settings) -> tuple[AB, ...]:
    """The ABs that get a verdict of their own: of the configured kinds, and those nothing reviewed is made from."""
    pool = list(abs_)
    heads = _heads(pool, settings, cascade(pool, {}))
    return tuple(ab for ab in pool if ab.name in heads)


def _heads(pool: list[AB], settings: Settings, order: Cascade) -> frozenset[str]:
    wanted = settings.certification.review
    recipes = {ab.name: ab for ab in pool if not ab.runs_no_recipe}
    heads = {name for name, ab in recipes.items() if not wanted or kind_name(ab, settings) in wanted}
    covered = {name for head in heads for name in order.above(head)}
    return frozenset(heads | (set(recipes) - covered))


def scope_of(pool: Sequence[AB], only: str) -> frozenset[str]:
    """The names of the AB `only` and of everything it was made from; of all ABs when `only` is ''."""
    if not only:
        return frozenset(ab.name for ab in pool)
    if only not in {ab.name for ab in pool}:
        raise BadAb("no such AB in this pool", where=only, remedy="see the names in the AB monitor")
    return frozenset({only, *cascade(pool, {}).above(only)})


def standings(
    abs_: Iterable[AB], settings: Settings, verdicts: Mapping[str, Verdict], anew: Mapping[str, str] | None = None
) -> dict[str, Standing]:
    """Where every AB of a pool stands; `verdicts` by AB name, `anew` says why one without is asked again."""
    pool = list(abs_)
    order = cascade(pool, {})
    by_name = {ab.name: ab for ab in pool}
    heads = _heads(pool, settings, order)
    found = {name: _of_head(by_name[name], verdicts.get(name), order, by_name) for name in heads}
    for name, why in (anew or {}).items():
        if name in heads and found[name].standing == UNDECIDED:
            found[name] = Standing(UNDECIDED, f"not certified yet: {why}", name)
    below: dict[str, list[str]] = {}
    for head in sorted(heads):
        for name in order.above(head):
            below.setdefault(name, []).append(head)
    for ab in pool:
        if ab.name not in found:
            found[ab.name] = _of_follower(ab, [(head, found[head]) for head in below.get(ab.name, ())])
    return {ab.name: found[ab.name] for ab in pool}


def _unfinished(ab: AB) -> bool:
    return ab.status != "SUCCESSFUL" and not ab.runs_no_recipe


def _of_head(ab: AB, verdict: Verdict | None, order: Cascade, by_name: Mapping[str, AB]) -> Standing:
    if _unfinished(ab):
        return Standing(UNFINISHED, f"it is {ab.status}", ab.name)
    if verdict is None:
        return Standing(UNDECIDED, "not certified yet", ab.name)
    if verdict.verdict != ACCEPTED:
        return Standing(REJECTED, f"rejected by {verdict.who}: {verdict.comment}", ab.name, verdict)
    for name in order.above(ab.name):
        if name in by_name and _unfinished(by_name[name]):
            return Standing(UNFINISHED, f"incomplete: {name} is {by_name[name].status}", ab.name, verdict)
    return Standing(READY, f"accepted by {verdict.who}", ab.name, verdict)


def _of_follower(ab: AB, heads: list[tuple[str, Standing]]) -> Standing:
    if _unfinished(ab):
        return Standing(UNFINISHED, f"it is {ab.status}")
    if not heads:
        return Standing(READY, "nothing to certify")
    for wanted, why in (
        (UNDECIDED, "with {head}, which is not certified yet"),
        (UNFINISHED, "needed by {head}: {why}"),
    ):
        for head, standing in heads:
            if standing.standing == wanted:
                return Standing(wanted, why.format(head=head, why=standing.why), head)
    for head, standing in heads:
        if standing.standing == READY:
            return Standing(READY, f"accepted with {head}", head, standing.verdict)
    head, standing = heads[0]
    return Standing(REJECTED, f"with {head}: {standing.why}", head, standing.verdict)
