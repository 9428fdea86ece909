"""Which slot an AB falls into, and what its procedure gets to see."""

from __future__ import annotations

from fnmatch import fnmatchcase

from config.qc import QcSlot
from config.schema import KindOfAb, Settings
from config.tree import DfoTree
from engine.core.ab import AB
from engine.process.ab.deliver import place_of
from engine.process.qc.subject import Subject, Value


def slot_of(settings: Settings, ab: AB) -> tuple[str, QcSlot]:
    """The first configured slot that fits the AB; without one the generic slot, named ''."""
    catgs = [product.catg for product in ab.products]
    for name, slot in settings.qc.procedures.items():
        if slot.instruments and (ab.get("INSTRUMENT") or settings.instrument) not in slot.instruments:
            continue
        if (slot.raw_types and ab.raw_type not in slot.raw_types) or (slot.tags and ab.tag not in slot.tags):
            continue
        if not slot.catgs or any(fnmatchcase(catg, pattern) for catg in catgs for pattern in slot.catgs):
            return name, slot
    return "", QcSlot()


def subject_of(tree: DfoTree, settings: Settings, ab: AB, slot: QcSlot) -> Subject:
    """What a procedure gets to see of an AB: its products that are there, its inputs and calibrations."""
    place = place_of(ab, tree)
    listed = [one for one in ab.products if one.state != "RETIRED"]  # by a POST_PLUGIN: nobody misses them
    products = tuple((str(place / one.name), one.catg) for one in listed if (place / one.name).is_file())
    kind = _kind(settings, ab)
    main = sum(entry.tag == ab.raw_type for entry in ab.sof)
    return Subject(
        slot.procedure,
        ab.name,
        ab.root,
        products,
        tuple((str(tree.expand(entry.path)), entry.tag) for entry in ab.sof or ab.raws),
        tuple((str(tree.expand(calib.path)), calib.catg) for calib in ab.calibs),
        len(listed),
        main if kind and kind.counts_exposures else 0,
        any(entry.tag == "OFFSET_LIST" for entry in ab.sof),
    )


def facts_of(ab: AB) -> dict[str, Value]:
    """Values for the score bits that the AB itself tells: days to the wavelength calibration it was given."""
    for calib in ab.calibs:
        if calib.catg == "WAVECAL_TABLE" and calib.rest:
            try:
                return {"arc_days": abs(float(calib.rest[0]))}
            except ValueError:
                continue
    return {}


def limits_of(settings: Settings) -> dict[str, float]:
    """The named limits that score definitions may use."""
    return {name: float(value) for name, value in settings.scoring.model_dump().items()}


def _kind(settings: Settings, ab: AB) -> KindOfAb | None:
    for kind in settings.kinds.values():
        if kind.recipe == ab.recipe and kind.tag == ab.tag and (not kind.raw_types or ab.raw_type in kind.raw_types):
            return kind
    return None
