"""The text of an AB that createAB makes (ab-lifecycle sections 3.1-3.3), its association log and its ATAB. Pure.

The last line seals what the operator may edit: an AB whose text still fits its seal was never touched by hand.
`ACTION` is ours: with AB_NAME it is the identity of an AB.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from config.create import Create
from engine.core.ab import AB
from engine.create.create_deep import render
from engine.create.createab.proposal import Proposal, tag_of
from engine.create.oca.associate import Hit
from engine.create.oca.frame import Frame

VERSION = "1.0"
_SEAL = "as createAB wrote it:"
# what processAB, processQC and updateAB write; `PROD_PATH` changes when the products move
_LATER = frozenset(("PROCESS_STATUS", "LOG_NAME", "PROD_PATH", "PRODUCTS", "FURTHER", "SCORE", "UPDATED", "PIPELINE"))
_BLANK = re.compile(r"[\x00-\x20\x7f#]+")


def text_of(made: Proposal, create: Create, instrument: str) -> str:
    """The AB as it is written, seal included."""
    lines = [(key, value) for part in (_identity, _files, _recipe) for key, value in part(made, create)]
    lines[2] = ("INSTRUMENT", instrument)
    return sealed(render([("#", "--- identification"), *lines]).decode())


def sealed(text: str) -> str:
    """The text with a seal of its own; one that it had is taken off."""
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"# {_SEAL} "))
    return f"{body}# {_SEAL} {_digest(body)}\n"


def edited(ab: AB) -> bool:
    """True when somebody changed the AB by hand, or another tool made it."""
    text = ab.render().decode("utf-8", "surrogateescape")
    seals = [line for line in text.splitlines() if line.startswith(f"# {_SEAL} ")]
    return len(seals) != 1 or seals[0].rpartition(" ")[2] != _digest(text)


def log_of(made: Proposal, create: Create) -> str:
    """The association log (AssocLogs): the AB's line, then `EVAL TYPE FLAG FILE PRO_CATG DT` per product.

    What is missing, and a template that was not finished, stand there as comments.
    """
    setup = ",".join(_match(made)) or "-"
    lines = [f"{made.name} {made.raw_type} {setup} {'COMPLETE' if made.complete else 'INCOMPLETE'}"]
    for kind, hit in _calibs(made, frozenset(create.massoc)):
        name = hit.frame.path.rpartition("/")[2]
        lines.append(f"{_eval(hit)} {kind} {_flag(hit.frame)} {name} {_catg(hit)} {_delta(hit)}")
    if made.group.unfinished:
        lines.append(f"# the template was not finished, {made.group.unfinished}")
    for shortage in made.found.shortages:
        rule = shortage.rule
        why = " ".join(shortage.why.split())
        lines.append(f"# missing {rule.tag}, {shortage.found} of {rule.min_ret}: {why} ({rule.at})")
    return "\n".join(lines) + "\n"


def table_of(made: Proposal) -> str:
    """The ATAB: per association its limits and what was taken, tab-separated (our layout, the original's is lost)."""
    lines = ["TAG\tFROM\tMIN\tMAX\tFOUND\tFILES"]
    for rule in made.group.action.associations if made.group.action else ():
        files = [hit.frame.path.rpartition("/")[2] for hit in made.found.hits if hit.rule is rule]
        row = (rule.tag, rule.source, str(rule.min_ret), str(rule.max_ret), str(len(files)), " ".join(files) or "-")
        lines.append("\t".join(row))
    return "\n".join(lines) + "\n"


def waits_for(made: Proposal) -> tuple[str, ...]:
    """The ABs that must be done first."""
    frames = [*made.group.members, *(hit.frame for hit in made.found.hits)]
    names = (str(frame.header.get("DFOS.AB", "")) for frame in frames if frame.virtual)
    return tuple(dict.fromkeys(name for name in names if name))


def _identity(made: Proposal, create: Create) -> Iterator[tuple[str, str]]:
    first, group = made.raws[0], made.group
    action = group.action
    programme = _value(first, "OBS.PROG.ID")
    visitor = "VM" if programme in create.visitor else "SM"
    yield "TOOL_VERSION", VERSION
    yield "CONFIG_VERSION", create.conf_version
    yield "INSTRUMENT", ""
    yield "DATE", made.date
    yield "DPR_CATG", _value(first, "DPR.CATG")
    yield "RAW_TYPE", made.raw_type
    yield "RECIPE", (action.recipe if action else "") or "none"
    yield "DRS_TYPE", create.drs_type
    yield "BATCH_ID", f"{made.mode}_{made.date}"
    yield "AB_NAME", made.name
    yield "AB_EVENT", group.event or "-"
    yield "ACTION", made.action
    yield "COMPLETENESS", "COMPLETE" if made.complete else "INCOMPLETE"
    yield "PROCESS_STATUS", "CREATED"
    yield "OBS_PROG_ID", programme or "-"
    yield "OBS_MODE", visitor if made.mode == "SCIENCE" else "NONE"
    yield "OBS_ID", _value(first, "OBS.ID") or "-"
    yield "MJD-OBS", f"{group.mjd or 0.0:.8f}"
    yield "MJD-OBS_MOD", f"{group.mjd_mod or 0.0:.8f}"
    yield "PROD_ROOT_NAME", made.root
    yield "LOG_NAME", ""
    yield "#", "pipeline product path"
    yield "PROD_PATH", made.prod_path
    match = list(_match(made))
    if match:
        yield "#", "raw match key"
    for text in match:
        yield "RAW_MATCH_KEY", text


def _files(made: Proposal, create: Create) -> Iterator[tuple[str, str]]:
    yield "#", "raw files"
    for frame in made.raws:
        yield "RAWFILE", f"{frame.path} {tag_of(frame) or made.raw_type}"
    for path, tag in dict.fromkeys((hit.frame.path, hit.tag) for hit in made.found.hits if _is_raw(hit)):
        yield "RASSOC", f"{path} {tag}"
    calibs = list(_calibs(made, frozenset(create.massoc)))
    if calibs:
        yield "#", "associated products"
    for kind, hit in calibs:
        yield kind, f"{_flag(hit.frame)} {hit.frame.path} {_catg(hit)} {_delta(hit)} {_eval(hit)}"
    for name in waits_for(made):
        yield "WAITFOR", name


def _recipe(made: Proposal, create: Create) -> Iterator[tuple[str, str]]:
    for param in made.group.action.params if made.group.action else ():
        yield "RECIPE_PARAM", param
    yield "#", "recipe input"
    inputs = [(frame.path, tag_of(frame) or made.raw_type) for frame in made.group.members]
    inputs += [
        (hit.frame.path, hit.tag)
        for hit in made.found.hits
        if hit.source != "rawFiles" and hit.tag not in create.massoc
    ]
    for path, tag in dict.fromkeys(inputs):
        yield "SOF_CONTENT", f"{path} {tag}"
    if made.products:
        yield "#", "predicted products"
    for product in made.products:
        state = "VIRTUAL" if made.mode == "CALIB" else "MISSING"
        yield "PRODUCTS", f"{made.product_name(product)} {product.catg} {state}"


def _calibs(made: Proposal, massoc: frozenset[str]) -> Iterator[tuple[str, Hit]]:
    """MCALIB and MASSOC lines: the calibrations, each once per category."""
    seen: set[tuple[str, str]] = set()
    for hit in made.found.hits:
        if not _is_raw(hit) and (hit.frame.path, hit.tag) not in seen:
            seen.add((hit.frame.path, hit.tag))
            yield "MASSOC" if hit.tag in massoc else "MCALIB", hit


def _is_raw(hit: Hit) -> bool:
    return hit.source != "calibFiles" and not hit.frame.virtual


def _match(made: Proposal) -> Iterator[str]:
    for key, value in made.group.match:
        yield f"{key.replace('.', '_')}={_plain(_text(value))}"


def _flag(frame: Frame) -> str:
    return "VIRTUAL" if frame.virtual else "REAL"


def _catg(hit: Hit) -> str:
    return _plain(_value(hit.frame, "PRO.CATG")) or hit.tag


def _delta(hit: Hit) -> str:
    return "-" if hit.delta_days is None else f"{hit.delta_days:.3f}"


def _eval(hit: Hit) -> str:
    return "OK" if hit.ok else "NOK"


def _value(frame: Frame, key: str) -> str:
    return _plain(_text(frame.header.get(key)))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else str(value)


def _plain(text: str) -> str:
    """A value that one line of an AB can hold."""
    return _BLANK.sub("_", text.strip())


def _digest(text: str) -> str:
    """Of all that createAB decides and an operator may edit."""
    kept = (
        " ".join(line.split())
        for line in text.splitlines()
        if line.strip() and not line.startswith(f"# {_SEAL}") and line.split(None, 1)[0] not in _LATER
    )
    return hashlib.sha256("\n".join(kept).encode("utf-8", "surrogateescape")).hexdigest()[:16]
