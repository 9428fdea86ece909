"""ABs of a deep run, per target, as phoenix_createDeep leaves them in the source branch (phoenix page 5.3).

Pure: frames, calibrations and recipe parameters come in as data, ABs go out. The alignment ABs are not made
here: the AB_PGI derives them from the dpc ABs. Qualifier and column layout: ab-lifecycle sections 3.1-3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from engine.core.ab import AB, Calib, Input, parse
from engine.core.dates import date_label
from engine.errors import UsageTrouble

VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Frame:
    """A raw frame: archive name without `.fits`, night, OBJECT or SKY, MJD of its start, EXPTIME (seconds)."""

    root: str
    night: str
    raw_type: str
    mjd: float
    exptime: float
    ob_id: str
    programme: str
    match_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeepTarget:
    """What is combined into one deep cube: the OBJECT frames of a target, and its SKY frames."""

    name: str
    objects: tuple[Frame, ...]
    skies: tuple[Frame, ...] = ()


@dataclass(frozen=True)
class DeepRun:
    """A deep run: `calibs` by recipe (inherited from the OB's ABs), `params` by kind of AB, verbatim.

    Keys of `params`: scibasic, create_sky, scipost, scipost_sky (where a dedicated SKY exists), align, combine.
    """

    run_id: str
    date: str
    targets: tuple[DeepTarget, ...]
    calibs: Mapping[str, Sequence[Calib]]
    params: Mapping[str, Sequence[str]]
    instrument: str = "MUSE"
    crowded: bool = False
    created: str = ""  # DATE of the call; not part of the pool


@dataclass(frozen=True, slots=True)
class _Kind:
    recipe: str
    tag: str
    raw_type: str
    event: str
    products: tuple[str, ...]


_BASIC = {kind: _Kind("muse_scibasic", "", kind, "SINGLE", (f"PIXTABLE_{kind}",)) for kind in ("OBJECT", "SKY")}
_SKY = _Kind(
    "muse_create_sky",
    "sky",
    "PIXTABLE_SKY",
    "CREATE_SKY",
    ("SKY_LINES", "SKY_CONTINUUM", "SKY_MASK", "SKY_IMAGE", "SKY_SPECTRUM"),
)
_POST = _Kind("muse_scipost", "pst", "PIXTABLE_OBJECT", "SCIPOST", ("DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"))
_COMBINE = _Kind("muse_exp_combine", "dpc", "PIXTABLE_REDUCED", "TPL_A", ("DATACUBE_FINAL", "IMAGE_FOV"))


@dataclass(frozen=True)
class _Plan:
    """One AB before it is written down."""

    kind: _Kind
    frames: tuple[Frame, ...]
    inputs: tuple[Input, ...]
    params: Sequence[str]
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        return f"{self.frames[0].root}_{self.kind.tag}" if self.kind.tag else self.frames[0].root

    def product(self, catg: str, date: str) -> Input:
        """One of its products, as another AB's input."""
        number = self.kind.products.index(catg)
        return Input(f"$DFS_PRODUCT/{self.kind.raw_type}/{date}/r.{self.stem}_{number:04d}.fits", catg)


def deep_abs(run: DeepRun) -> tuple[AB, ...]:
    """The ABs of all targets: per target M scibasic SKY, M create_sky, N scibasic, N scipost, one exp_combine.

    UsageTrouble for a target with fewer than two OBJECT frames, a frame used twice, or a target name with blanks.
    """
    date_label(run.date)
    _check(run)
    return tuple(chain.from_iterable(_target_abs(run, target) for target in run.targets))


def _check(run: DeepRun) -> None:
    roots = [frame.root for target in run.targets for frame in (*target.objects, *target.skies)]
    twice = sorted({root for root in roots if roots.count(root) > 1}) if len(set(roots)) < len(roots) else []
    if twice:
        raise UsageTrouble(f"frame {twice[0]} is used twice in run {run.run_id}", remedy="name every frame once")
    names = [target.name for target in run.targets]
    for target in run.targets:
        if len(target.objects) < 2:
            raise UsageTrouble(
                f"target {target.name} has {len(target.objects)} OBJECT frames", remedy="a deep cube needs two or more"
            )
        if not target.name or target.name.split() != [target.name] or "#" in target.name:
            raise UsageTrouble(f"'{target.name}' may not be a target name", remedy="one word, without '#'")
        if names.count(target.name) > 1:
            raise UsageTrouble(f"target {target.name} stands twice in run {run.run_id}", remedy="rename one of them")


def _target_abs(run: DeepRun, target: DeepTarget) -> list[AB]:
    objects = sorted(target.objects, key=lambda frame: frame.mjd)
    skies = sorted(target.skies, key=lambda frame: frame.mjd)
    basics = {frame: _basic(run, frame) for frame in (*skies, *objects)}
    subtract = "scipost_sky" if skies and not run.crowded else "scipost"
    plans = [basics[frame] for frame in skies]
    plans += [
        _Plan(_SKY, (frame,), (basics[frame].product("PIXTABLE_SKY", run.date),), run.params.get("create_sky", ()))
        for frame in skies
    ]
    plans += [basics[frame] for frame in objects]
    posts = [
        _Plan(_POST, (frame,), (basics[frame].product("PIXTABLE_OBJECT", run.date),), run.params.get(subtract, ()))
        for frame in objects
    ]
    tables = tuple(post.product("PIXTABLE_REDUCED", run.date) for post in posts)
    align = {"ALIGN_PARAM": run.params.get("align", ())}
    combine = _Plan(_COMBINE, tuple(objects), tables, run.params.get("combine", ()), align)
    return [_written(run, target, plan) for plan in (*plans, *posts, combine)]


def _basic(run: DeepRun, frame: Frame) -> _Plan:
    raw = Input(f"$DFO_RAW_DIR/{frame.night}/{frame.root}.fits", frame.raw_type)
    return _Plan(_BASIC[frame.raw_type], (frame,), (raw,), run.params.get("scibasic", ()))


def _written(run: DeepRun, target: DeepTarget, plan: _Plan) -> AB:
    first, kind = plan.frames[0], plan.kind
    calibs = [calib for calib in run.calibs.get(kind.recipe, ()) if calib.path not in {i.path for i in plan.inputs}]
    keys = [("RAW_MATCH_KEY", key) for key in first.match_keys]
    raws = [("RAWFILE", f"$DFO_RAW_DIR/{f.night}/{f.root}.fits {f.raw_type}") for f in plan.frames]
    lines: list[tuple[str, str]] = [
        ("#", "--- identification"),
        ("TOOL_VERSION", VERSION),
        ("CONFIG_VERSION", VERSION),
        ("INSTRUMENT", run.instrument),
        ("DATE", run.date),
        ("DPR_CATG", "SCIENCE"),
        ("RAW_TYPE", kind.raw_type),
        ("RECIPE", kind.recipe),
        ("DRS_TYPE", "INT"),
        ("BATCH_ID", f"SCIENCE_{run.date}"),
        ("AB_NAME", f"{plan.stem}.ab"),
        ("AB_EVENT", kind.event),
        ("COMPLETENESS", "COMPLETE"),
        ("PROCESS_STATUS", "CREATED"),
        ("OBS_PROG_ID", first.programme),
        ("OBS_MODE", "SM"),
        ("OBS_ID", first.ob_id),
        ("MJD-OBS", f"{first.mjd:.8f}"),
        ("MJD-OBS_MOD", f"{first.mjd + first.exptime / 172800:.8f}"),
        ("PROD_ROOT_NAME", f"r.{plan.stem}"),
        ("LOG_NAME", ""),
        ("TARGET", target.name),
        ("RUN_ID", run.run_id),
        *([("PROC_MODE", "CROWDED")] if run.crowded else []),
        ("#", "pipeline product path"),
        ("PROD_PATH", f"$DFS_PRODUCT/{kind.raw_type}/{run.date}"),
        *([("#", "raw match key"), *keys] if keys else []),
        ("#", "raw files"),
        *raws,
        *([("#", "associated products")] if calibs else []),
        *(("MCALIB", calib.columns()) for calib in calibs),
        *(("RECIPE_PARAM", param) for param in plan.params),
        *((key, value) for key, values in plan.extra.items() for value in values),
        ("#", "recipe input"),
        *(("SOF_CONTENT", f"{entry.path} {entry.tag}") for entry in plan.inputs),
        *(("SOF_CONTENT", f"{calib.path} {calib.catg}") for calib in calibs),
        ("#", "predicted products"),
        *(("PRODUCTS", f"r.{plan.stem}_{n:04d}.fits {catg} MISSING") for n, catg in enumerate(kind.products)),
    ]
    return parse(render(lines), f"{plan.stem}.ab")


def render(lines: Iterable[tuple[str, str]]) -> bytes:
    """AB text of (qualifier, value) pairs; the qualifier `#` makes a comment line."""
    return "".join(
        f"{key:<16} {value}".rstrip() + "\n" if key != "#" else f"# {value}\n" for key, value in lines
    ).encode()
