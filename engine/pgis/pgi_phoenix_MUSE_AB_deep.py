"""AB_PGI of MUSE_DEEP (also written pgi_phoenix_MUSE_AB_DEEP): completes the cascade of a deep run.

Per target N scibasic, N scipost, one exp_align and one exp_combine; with M SKY frames also M scibasic and
M create_sky (phoenix_instances_MUSE_DEEP; phoenix page 5.4). Pure and idempotent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from posixpath import basename, dirname

from engine.core.ab import AB, Expected, Input, parse
from engine.errors import BadAb, BadCascade

NAME = "pgi_phoenix_MUSE_AB_deep"

# The CROWDED set of the process page, verbatim: the trailing points belong to it.
CROWDED_ALIGN = ("--threshold=100.", "--iterations=20000.", "--srcmax=200", "--srcmin=2", "--step=5.")
CROWDED_SCIPOST = ("--skymethod=none",)
_LEFT_TO_RECIPE = "--rsearch"  # commented out when CROWDED
_PRODUCT = re.compile(r"(?P<root>r\..+?)_\d{4}\.fits")


def propose(abs_: tuple[AB, ...]) -> tuple[AB, ...]:
    """The ABs of the run with dal ABs added, SKY connected to scipost, and all WAITFOR lines.

    ABs of other kinds come back as they are. BadCascade when a name stands twice, a dpc AB has fewer than two
    inputs, or an AB that it combines is not there; BadAb when an AB to be matched in time has no MJD-OBS.
    """
    twice = [name for name, count in Counter(ab.name for ab in abs_).items() if count > 1]
    if twice:
        raise BadCascade(f"AB {twice[0]} stands twice in the pool", remedy="keep one of the two")
    by_root = {ab.root: ab for ab in abs_}
    skies = [ab for ab in abs_ if ab.tag == "sky"]
    known = {ab.name for ab in abs_}
    out: list[AB] = []
    for ab in abs_:
        if ab.tag == "pst":
            out.append(_scipost(ab, skies))
        elif ab.tag == "dpc":
            dpc = _sorted_in_time(ab, by_root)
            dal = _alignment(dpc, by_root)
            if dal.name not in known:
                out.append(dal)
            out.append(_with_offsets(dpc, dal))
        else:
            out.append(ab)
    roots = {ab.root: ab.name for ab in out}
    return tuple(_with_waitfor(ab, roots) if ab.mode == "SCIENCE" else ab for ab in out)


def _scipost(ab: AB, skies: Sequence[AB]) -> AB:
    """The scipost AB with the nearest sky of its target, or without sky subtraction when CROWDED."""
    if ab.crowded:
        params = _overridden(ab.params, CROWDED_SCIPOST)
        return ab if params == ab.params else ab.with_values("RECIPE_PARAM", params)
    own = [sky for sky in skies if sky.target == ab.target]
    if not own or any(entry.tag == "SKY_CONTINUUM" for entry in ab.sof):
        return ab
    moment = _time(ab)
    nearest = min(own, key=lambda sky: (abs(_time(sky) - moment), _time(sky), sky.name))
    made = [product for product in nearest.products if product.catg in ("SKY_LINES", "SKY_CONTINUUM")]
    if not made:
        raise BadCascade(f"{nearest.name} predicts no SKY_LINES or SKY_CONTINUUM", where=ab.name)
    kept = [entry for entry in ab.sof if entry.tag != "SKY_LINES"]
    return _with_sof(ab, [*kept, *(_path(nearest, product) for product in made)])


def _sorted_in_time(dpc: AB, by_root: dict[str, AB]) -> AB:
    """The dpc AB with its inputs sorted by time stamp: the deep cube inherits MJD-OBS of the first."""

    def moment(path: str) -> tuple[int, float]:
        found = _PRODUCT.fullmatch(basename(path))
        parent = by_root.get(found["root"]) if found else None
        return (0, _time(parent)) if parent else (1, 0.0)

    calibs = sorted(dpc.calibs, key=lambda calib: moment(calib.path))
    if list(dpc.calibs) != calibs:
        dpc = dpc.with_values("MCALIB", [calib.columns() for calib in calibs])
    return _with_sof(dpc, sorted(dpc.sof, key=lambda entry: moment(entry.path) if _main(entry) else (2, 0.0)))


def _main(entry: Input) -> bool:
    return entry.tag == "PIXTABLE_REDUCED"


def _alignment(dpc: AB, by_root: dict[str, AB]) -> AB:
    """The dal AB of a dpc AB: the same exposures, IMAGE_FOV instead of PIXTABLE_REDUCED."""
    tables = [entry for entry in dpc.sof if _main(entry)]
    if len(tables) < 2:
        raise BadCascade(
            f"{dpc.name} combines {len(tables)} exposures", where=dpc.where, remedy="a deep cube needs two or more"
        )
    images = [_image_of(entry, dpc, by_root) for entry in tables]
    stem = dpc.name.removesuffix("_dpc.ab")
    catgs = ["OFFSET_LIST", "PREVIEW_FOV", *["SOURCE_LIST"] * len(images)]
    changes = {
        "AB_NAME": f"{stem}_dal.ab",
        "RAW_TYPE": "IMAGE_FOV",
        "RECIPE": "muse_exp_align",
        "AB_EVENT": "TAL",
        "PROCESS_STATUS": "CREATED",
        "PROD_ROOT_NAME": f"r.{stem}_dal",
        "LOG_NAME": "",
        "PROD_PATH": f"$DFS_PRODUCT/IMAGE_FOV/{dpc.date}",
        "CREATED_BY": f"{NAME} from {dpc.name}",
    }
    lists = {
        "RECIPE_PARAM": list(_align_params(dpc)),
        "SOF_CONTENT": [f"{entry.path} {entry.tag}" for entry in images],
        "PRODUCTS": [f"r.{stem}_dal_{n:04d}.fits {catg} MISSING" for n, catg in enumerate(catgs)],
        "MCALIB": [],
        "MASSOC": [],
        "WAITFOR": [],
        "FURTHER": [],
        "ALIGN_PARAM": [],
    }
    dal = dpc
    for key, values in lists.items():
        dal = dal.with_values(key, values)
    for key, value in changes.items():
        dal = dal.with_value(key, value)
    left = [param for param in dpc.values("ALIGN_PARAM") if dpc.crowded and _option(param) == _LEFT_TO_RECIPE]
    remarks = "".join(f"# {param} commented out: PROC_MODE CROWDED leaves it to the recipe\n" for param in left)
    return parse(dal.render() + remarks.encode(), dal.name)


def _image_of(table: Input, dpc: AB, by_root: dict[str, AB]) -> Input:
    found = _PRODUCT.fullmatch(basename(table.path))
    parent = by_root.get(found["root"]) if found else None
    if parent is None:
        raise BadCascade(
            f"{dpc.name} combines {basename(table.path)}, which no AB of the pool makes",
            where=dpc.where,
            remedy="add the scipost AB to the source branch, or remove the SOF_CONTENT line",
        )
    for product in parent.products:
        if product.catg == "IMAGE_FOV":
            return Input(f"{dirname(table.path)}/{product.name}", "IMAGE_FOV")
    raise BadCascade(f"{parent.name} predicts no IMAGE_FOV to align with", where=dpc.where)


def _align_params(dpc: AB) -> tuple[str, ...]:
    normal = dpc.values("ALIGN_PARAM")
    if not dpc.crowded:
        return normal
    return _overridden([param for param in normal if _option(param) != _LEFT_TO_RECIPE], CROWDED_ALIGN)


def _overridden(params: Iterable[str], stronger: Sequence[str]) -> tuple[str, ...]:
    names = {_option(param) for param in stronger}
    return (*(param for param in params if _option(param) not in names), *stronger)


def _option(param: str) -> str:
    return param.partition("=")[0]


def _with_offsets(dpc: AB, dal: AB) -> AB:
    if any(entry.tag == "OFFSET_LIST" for entry in dpc.sof):
        return dpc
    offsets = next(product for product in dal.products if product.catg == "OFFSET_LIST")
    return _with_sof(dpc, [*dpc.sof, _path(dal, offsets)])


def _with_waitfor(ab: AB, roots: dict[str, str]) -> AB:
    names = dict.fromkeys(ab.waitfor)
    for entry in ab.sof:
        found = _PRODUCT.fullmatch(basename(entry.path))
        parent = roots.get(found["root"]) if found else None
        if parent and parent != ab.name:
            names[parent] = None
    return ab if tuple(names) == ab.waitfor else ab.with_values("WAITFOR", names)


def _with_sof(ab: AB, entries: Iterable[Input]) -> AB:
    entries = tuple(entries)
    return ab if entries == ab.sof else ab.with_values("SOF_CONTENT", [f"{e.path} {e.tag}" for e in entries])


def _path(ab: AB, product: Expected) -> Input:
    return Input(f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}/{product.name}", product.catg)


def _time(ab: AB) -> float:
    """MJD of the middle of its first exposure, else of its start."""
    for key in ("MJD-OBS_MOD", "MJD-OBS"):
        text = ab.get(key)
        if text:
            try:
                return float(text)
            except ValueError:
                raise BadAb(f"{key} '{text}' is not a number", where=ab.where) from None
    raise BadAb("no MJD-OBS: it cannot be matched in time", where=ab.where, remedy="add MJD-OBS_MOD")
