"""A rule set at work: files are classified, organised into groups, and given their calibrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.create.oca.associate import Associated, Associator, Pools
from engine.create.oca.classify import Classifier
from engine.create.oca.closures import Compiler
from engine.create.oca.frame import Frame
from engine.create.oca.model import Action, Assign, ClassRule, Compare, Key, Literal, Rules
from engine.create.oca.organise import Group, Organised, Organiser
from engine.create.oca.reading import Reading
from engine.create.oca.values import Value

_ALWAYS = ("MJD-OBS", "INSTRUME", "OBS.START", "ARCFILE")


class RuleSet:
    """Rules, made ready once and then used on any number of files.

    `keys`: every key that the rules may ask of a file, so that readers look for no others. `problems`: what was
    read but cannot be carried out (each left out), after those found when reading; with one of level error the
    rule set is partial and must be confirmed.
    """

    def __init__(self, rules: Rules, reading: Reading | None = None) -> None:
        self.rules = rules
        self.reading = reading = reading or Reading()
        said = (*rules.classification, *_of_products(rules.actions))
        self.classifier = Classifier(said, Compiler(reading))
        self.organiser = Organiser(rules.organisation, rules.actions, Compiler(reading, "LF"))
        self.associator = Associator(rules.actions, Compiler(reading, "inputFile"))
        made = (self.classifier, self.organiser, self.associator)
        self.problems = (*rules.problems, *(problem for part in made for problem in part.problems))
        self.keys = frozenset().union(_ALWAYS, reading.tags, *(part.keys for part in made))

    @property
    def partial(self) -> bool:
        """True when a rule was left out."""
        return any(problem.level == "error" for problem in self.problems)

    def classify(self, frame: Frame) -> None:
        """Try every classification rule on a file, raw or calibration; what they assign is its overlay."""
        self.classifier.classify(frame)

    def organise(self, frames: Sequence[Frame], *, closed: bool = True) -> Organised:
        """Form the groups of classified files. While the night is not `closed`, what may still grow makes none."""
        return self.organiser.organise(frames, closed=closed)

    def associate(self, group: Group, pools: Pools) -> Associated:
        """What a group gets from the pools, and what is missing."""
        return self.associator.associate(group, pools)

    def tag(self, frame: Frame) -> str:
        """The tag of a file in the SOF; '' when no rule gives it one."""
        for key in self.reading.tags:
            if (value := frame.get(key)) is not None:
                return str(value)
        return ""

    def assigned(self, assigns: Iterable[Assign], frame: Frame) -> dict[str, Value]:
        """The values that the assignments of a product block have for a file; missing ones are left out."""
        compiler = Compiler(self.reading)
        found: dict[str, Value] = {}
        for assign in assigns:
            values = {**frame.values, **found}
            value = compiler.value(assign.value)(values, values)
            if value is not None:
                found[assign.key] = value
        return found


def _of_products(actions: Iterable[Action]) -> Iterator[ClassRule]:
    """What product blocks say of their products besides name and category, as rules for files of that category.

    They hold last: a virtual product still has the header of its raw file, by which it would be taken for one.
    """
    for product in (product for action in actions for product in action.products):
        keys = {one.key: one.value for one in product.assigns}
        catg = keys.get("PRO.CATG")
        name = str(catg.value).strip() if isinstance(catg, Literal) else ""
        rest = tuple(one for one in product.assigns if not one.key.startswith("PRO."))
        if rest:
            test = Compare("==", Key("", "PRO.CATG"), Literal(name or product.name), product.at)
            yield ClassRule(test, rest, product.at)
