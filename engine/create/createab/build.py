"""All ABs of a MODE and DATE as the rules want them: classify, organise, associate, level by level. Pure.

An action whose products others need is organised first. What its ABs will make joins the calibrations as virtual
frames, with the header of the raw frame, classified again by all rules (decision 11a).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine.core.ab import AB
from engine.core.ab import tag_of as tag_of_ab
from engine.create.createab.levels import Ladder, ladder
from engine.create.createab.night import root_of
from engine.create.createab.predict import UNKNOWN, Predicted, Table, made_of, predicted
from engine.create.createab.proposal import Proposal, mode_of, names, raw_type_of, tag_of
from engine.create.oca.associate import Pools
from engine.create.oca.frame import Frame, bare_name
from engine.create.oca.model import Rules
from engine.create.oca.needs import organised
from engine.create.oca.organise import Group
from engine.create.oca.ruleset import RuleSet
from engine.stores.vcal import stem_of


@dataclass(frozen=True)
class Material:
    """What ABs are made of: the raw frames of a DATE, real and virtual calibrations.

    `taken` are the ABs that exist already: action by AB name ('' where the AB does not say). `settled` are those of
    this MODE and DATE that will not be made again, whatever files come.
    """

    mode: str
    date: str
    raws: tuple[Frame, ...]
    real: tuple[Frame, ...]
    virtual: tuple[Frame, ...]
    taken: Mapping[str, str] = field(default_factory=dict)
    settled: Mapping[str, AB] = field(default_factory=dict)
    second_step: frozenset[str] = frozenset()
    closed: bool = True


@dataclass(frozen=True)
class Built:
    """The ABs in the order of processing, all groups of raw files (of any MODE), and what is noteworthy."""

    proposals: tuple[Proposal, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    pools: Pools = field(default_factory=Pools)  # what there was to choose from, virtual products of this run too


def built(rules: Rules, ruleset: RuleSet, table: Table, material: Material) -> Built:
    """The ABs that the rules want."""
    return _Work(rules, ruleset, table, material).done()


class _Work:
    def __init__(self, rules: Rules, ruleset: RuleSet, table: Table, material: Material) -> None:
        self.rules, self.ruleset, self.material = rules, ruleset, material
        self.notes: list[str] = []
        self.inputs = organised(rules)
        self.makes: dict[str, tuple[Predicted, ...]] = {}
        unknown = []
        for action in rules.actions:
            self.makes[action.name], source = predicted(action, table)
            if source == UNKNOWN:
                unknown.append(action)
        self.unknown = {action.name: action.recipe for action in unknown}
        self.ladder: Ladder = ladder(rules, makes_of(rules, table))
        self.virtual: dict[str, Frame] = {}  # what the ABs of this run will make, by path
        self.parents: dict[str, Proposal] = {}
        self.real_stems = {
            stem for frame in material.real for stem in (frame.name, stem_of(str(frame.header.get("PIPEFILE", ""))))
        }
        self.used: dict[str, str] = {}  # AB name -> action
        self.there = {frame.name for frame in material.raws}
        self.has = {name: {bare_name(raw.path) for raw in ab.raws} for name, ab in material.settled.items()}
        self.holds = {
            (material.settled[name].get("ACTION"), raw): name for name, raws in self.has.items() for raw in sorted(raws)
        }
        self.proposals: list[Proposal] = []

    def done(self) -> Built:
        material = self.material
        for frame in (*material.raws, *material.real, *material.virtual):
            self.ruleset.classify(frame)
        self.pools = Pools((*material.real, *material.virtual), material.raws)
        organised = self.ruleset.organise(material.raws, closed=material.closed)
        self.notes += organised.notes
        groups: dict[str, list[Group]] = {}
        for group in organised.groups:
            groups.setdefault(group.rule.action, []).append(group)
        second = self._second_step()
        for name in [*self.ladder.order, *(name for name in groups if name not in self.ladder.level)]:
            found = [*groups.get(name, ()), *(self._organised_products(name) if name in second else ())]
            self._level(name, [group for group in found if mode_of(self._raws(group)[0]) == material.mode])
        self.notes += self.ladder.notes if self.proposals else ()
        return Built(tuple(self.proposals), tuple(organised.groups), tuple(self.notes), self.pools)

    def _level(self, name: str, groups: Sequence[Group]) -> None:
        """The ABs of one action; what they will make is there for the actions that follow."""
        if not groups:
            return
        if name in self.unknown:
            self.notes.append(
                f"{name}: neither the rules nor the table of recipes say what {self.unknown[name]} makes:"
                " nothing waits for its ABs"
            )
        made = []
        for group in sorted(groups, key=lambda one: (*one.primary.order, one.tag)):
            proposal = self._proposal(name, group)
            if proposal is not None:
                made.append(proposal)
        fresh = {}
        for proposal in made:
            for frame in proposal.virtuals():
                if frame.name not in self.real_stems:
                    self.ruleset.classify(frame)
                    fresh[frame.path] = frame
                    self.parents[frame.path] = proposal
        self.virtual |= fresh
        self.pools.add(calib=fresh.values())
        self.proposals += made

    def _proposal(self, name: str, group: Group) -> Proposal | None:
        raws = self._raws(group)
        action = group.action
        if action is None:
            self.notes.append(f"{group.rule.at}: there is no action {name}: RECIPE none")
        ab = self._name(raws, group.tag, name)
        if ab is None:
            return None  # two rules, one AB
        has = self.has.get(ab)
        late = tuple(raw for raw in raws if raw.name not in has) if has else ()
        if late and not any(member.path in self.parents for member in group.members):
            there = [raw for raw in raws if raw not in late]
            group, raws = (group.of(there), tuple(there)) if there else (group, raws)
        return Proposal(
            name=ab,
            action=name,
            level=self.ladder.level.get(name, 1),
            mode=self.material.mode,
            date=self.material.date,
            group=group,
            raws=raws,
            found=self.ruleset.associate(group, self.pools),
            products=made_of(self.makes.get(name, ()), _words(group), action.params if action else ()),
            late=late,
        )

    def _name(self, raws: Sequence[Frame], tag: str, action: str) -> str | None:
        """The name for (primary, tag, action): the one it has already, else the first free one; None: twice.

        A settled AB keeps its name when a file comes that goes before its first one.
        """
        candidates = list(islice(names(root_of(raws[0]), tag), 100))
        taken = self.material.taken
        if any(self.used.get(name) == action for name in candidates):
            return None
        rest = [name for name in candidates if name not in self.used]
        mine = next((name for name in rest if name in taken and taken[name] in (action, "")), None)
        settled = None if mine else self._settled(raws, tag, action)
        chosen = mine or settled or next(name for name in rest if name not in taken)
        if chosen != candidates[0] and not settled:
            self.notes.append(f"{chosen}: {candidates[0]} is the AB of another action, this is the one of {action}")
        self.used[chosen] = action
        return chosen

    def _settled(self, raws: Sequence[Frame], tag: str, action: str) -> str | None:
        """The settled AB of this action and tag that has some of these files, and no other one of the night."""
        mine = {raw.name for raw in raws}
        held = {self.holds.get((action, raw), "") for raw in mine} - {"", *self.used}
        for name in sorted(held):
            own = tag_of_ab(name)
            if self.has[name] & self.there <= mine and (f"_{own}.ab" if own else ".ab") in islice(names("", tag), 100):
                return name
        return None

    def _raws(self, group: Group) -> tuple[Frame, ...]:
        """The raw files of a group; those of the parents where it holds products."""
        found: dict[str, Frame] = {}
        for frame in group.members:
            parent = self.parents.get(frame.path)
            for raw in parent.raws if parent else (frame,):
                found[raw.path] = raw
        return tuple(found.values())

    def _second_step(self) -> frozenset[str]:
        """Actions that are executed for products."""
        makes = {one.catg for made in self.makes.values() for one in made} | self.material.second_step
        return frozenset(name for name, words in self.inputs.items() if not makes.isdisjoint(words))

    def _organised_products(self, name: str) -> Iterable[Group]:
        """Groups of products, for an action of the second step."""
        words = self.inputs[name] | self.material.second_step
        frames = [frame for frame in self.virtual.values() if frame.header.get("PRO.CATG") in words]
        if not frames:
            return ()
        organised = self.ruleset.organise(frames)
        return [group for group in organised.groups if group.rule.action == name]


def makes_of(rules: Rules, table: Table) -> dict[str, set[str]]:
    """The categories that each action can make, as far as the rules or the table say."""
    inputs = organised(rules)
    return {
        action.name: catgs_of(inputs.get(action.name, set()), predicted(action, table)[0]) for action in rules.actions
    }


def catgs_of(inputs: set[str], products: Sequence[Predicted]) -> set[str]:
    """The categories that an action can make which is executed for files of these `inputs`."""
    fitting = [one for one in products if not one.of or inputs & set(one.of)]
    return {one.catg for one in (fitting if any(one.of for one in fitting) else products)}


def _words(group: Group) -> list[set[str]]:
    """What the rules call each file of a group: tag and raw type."""
    return [{tag_of(frame), raw_type_of(frame)} for frame in group.members]
