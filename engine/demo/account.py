"""A whole demo account: raw frames, calibrations, configuration, the ABs of a deep run, and the truth about it.

Built beside its final place and put there by one rename, so a demo account is complete or not there. A directory
that is no demo account is never touched.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.tree import DIRECTORIES, DfoTree
from engine.demo import account_files as text
from engine.errors import DfosError, UsageTrouble

if TYPE_CHECKING:
    from engine.demo.night import Exposure, Target

MARKER = ".dfos-demo.json"
TRUTH = "truth.json"
_SAFE = re.compile(r"[\w./+:@,=~-]+")


@dataclass(frozen=True, slots=True)
class DemoSpec:
    """Size of the demo. `exposures` (OBJECT) and `sky` are per target; `strict` certifies as MUSE_DEEP does."""

    targets: int = 2
    exposures: int = 3
    sky: int = 1
    strict: bool = False
    seed: int = 1

    def check(self) -> None:
        """UsageTrouble when the size makes no sense."""
        for name, least, most in (("targets", 1, 40), ("exposures", 2, 120), ("sky", 0, 120)):
            value = getattr(self, name)
            if not least <= value <= most:
                raise UsageTrouble(f"{name} is {value}", remedy=f"use a number from {least} to {most}")


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A demo account on disk: its tree, the pools to work on, and whether it was there before."""

    root: Path
    tree: DfoTree
    spec: DemoSpec
    run_id: str
    pseudo_date: str
    calib_date: str
    reused: bool


def build_account(root: Path, spec: DemoSpec, progress: Callable[[str], None]) -> DemoAccount:
    """The demo account at `root`: built, or reused as it is when one stands there already.

    `progress` gets one line per step. UsageTrouble when `root` holds anything else, or has a name that recipes
    cannot read (SOF lines are split at blanks); DfosError when the disk refuses.
    """
    root = root.expanduser().resolve()
    if not _SAFE.fullmatch(str(root)):
        raise UsageTrouble(
            f"'{root}' cannot hold an account: a blank or special character", remedy="choose another --root"
        )
    if (root / MARKER).is_file():
        account = _reused(root)
        same = account.spec == spec
        progress(f"demo account {root} is there: used as it is{'' if same else f', with {_size(account.spec)}'}")
        return account
    spec.check()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageTrouble(
            f"{root} is there and is no demo account: nothing was touched", remedy="choose another --root"
        )
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
            _fill(Path(scratch) / root.name, root, spec, progress)
            (Path(scratch) / root.name).rename(root)
    except OSError as trouble:
        raise DfosError(
            f"the demo account could not be built: {trouble.strerror or trouble}",
            where=str(root),
            remedy="free space or check permissions, then try again",
        ) from None
    return _account(root, spec, reused=False)


def _size(spec: DemoSpec) -> str:
    return f"{spec.targets} targets of {spec.exposures} exposures and {spec.sky} sky"


def _reused(root: Path) -> DemoAccount:
    try:
        stored = json.loads((root / MARKER).read_text("utf-8"))
        if stored["root"] != str(root):
            raise DfosError(
                f"this demo account was built as {stored['root']}; its .dfosrc still points there",
                where=str(root),
                remedy="move it back, or remove it and build a new one",
            )
        return _account(root, DemoSpec(**stored["spec"]), reused=True)
    except (ValueError, KeyError, TypeError):
        raise DfosError(
            "the demo account's marker cannot be read", where=str(root / MARKER), remedy="remove the account"
        ) from None


def _account(root: Path, spec: DemoSpec, *, reused: bool) -> DemoAccount:
    from engine.demo import night

    return DemoAccount(root, tree(root), spec, night.RUN, night.PSEUDO_DATE, night.BIAS_NIGHT, reused)


def tree(root: Path) -> DfoTree:
    """The directories of the demo account at `root`, as its `.dfosrc` says."""
    values = text.variables(root)
    places: dict[str, Any] = {attribute: Path(values[name]) for name, attribute in DIRECTORIES.items()}
    return DfoTree(root=root, variables=values, **places)


def _fill(scratch: Path, root: Path, spec: DemoSpec, progress: Callable[[str], None]) -> None:
    from engine.demo import night

    there = tree(scratch)
    for attribute in DIRECTORIES.values():
        getattr(there, attribute).mkdir(parents=True)
    progress(f"demo account {root}: {_size(spec)}")
    (scratch / ".dfosrc").write_text(text.dfosrc(root), "utf-8")
    (there.config / "dfos.yaml").write_text(text.settings_yaml(spec.strict), "utf-8")
    (there.config / "config.moveProducts").write_text(text.MOVE_PRODUCTS, "utf-8")
    fields = night.targets(spec.targets, spec.seed)
    biases = night.biases(spec.seed)
    taken = night.observations(fields, spec.exposures, spec.sky, spec.seed)
    _write_frames(there, (*biases, *taken), progress)
    _write_calibrations(there, progress)
    _write_abs(there, fields, biases, taken, progress)
    (scratch / TRUTH).write_text(json.dumps(truth_of(fields, taken), indent=1) + "\n", "utf-8")
    (scratch / MARKER).write_text(json.dumps({"root": str(root), "spec": asdict(spec)}) + "\n", "utf-8")


def _write_frames(there: DfoTree, frames: tuple[Exposure, ...], progress: Callable[[str], None]) -> None:
    from engine.demo.frames import write_raw

    progress(f"{len(frames)} raw frames of a miniature MUSE (one channel, 48 slices)")
    for number, frame in enumerate(frames, 1):
        directory = there.raw / frame.night
        directory.mkdir(exist_ok=True)
        write_raw(frame, directory / f"{frame.root}.fits")
        if number % 20 == 0:
            progress(f"  {number} of {len(frames)} raw frames")


def _write_calibrations(there: DfoTree, progress: Callable[[str], None]) -> None:
    from engine.demo import calibrations

    gen = there.cal / "gen"
    gen.mkdir()
    for calib in calibrations.FILES:
        calibrations.write(calib, gen)
    progress(f"{len(calibrations.FILES)} static calibrations in $DFO_CAL_DIR/gen")


def _write_abs(
    there: DfoTree,
    fields: tuple[Target, ...],
    biases: tuple[Exposure, ...],
    taken: tuple[Exposure, ...],
    progress: Callable[[str], None],
) -> None:
    from engine.create.create_deep import deep_abs
    from engine.demo import account_abs, night

    bias = account_abs.bias_ab(biases)
    (there.ab / bias.name).write_bytes(bias.render())
    listed = " ".join((bias.name, bias.raw_type, ",".join(bias.values("RAW_MATCH_KEY")), bias.get("AB_EVENT")))
    (there.mon / f"AB_list_CALIB_{night.BIAS_NIGHT}").write_text(listed + "\n", "utf-8")
    virtual = there.vcal / night.BIAS_NIGHT
    virtual.mkdir(parents=True)
    (virtual / f"{bias.root}_0000.hdr").write_text(account_abs.virtual_bias(biases, bias), "ascii")
    deep = deep_abs(account_abs.deep_run(fields, taken, bias))
    branch = there.root / text.BRANCH / night.RUN
    branch.mkdir(parents=True)
    for ab in deep:
        (branch / ab.name).write_bytes(ab.render())
    history = there.root / text.HISTORY / night.RUN
    history.mkdir(parents=True)
    for ab in account_abs.historical(fields, taken):
        (history / ab.name).write_bytes(ab.render())
    progress(f"1 AB for CALIB {night.BIAS_NIGHT}, {len(deep)} ABs of run {night.RUN} in {text.BRANCH}")


def truth_of(fields: tuple[Target, ...], taken: tuple[Exposure, ...]) -> dict[str, object]:
    """What `truth.json` holds: stars (arcsec, flux units) and pointing errors (arcsec) as they were injected."""
    from engine.demo import night
    from engine.demo.frames import SEEING

    return {
        "run_id": night.RUN,
        "pseudo_date": night.PSEUDO_DATE,
        "seeing_arcsec": SEEING,
        "targets": [
            {
                "name": field.name,
                "ra": field.ra,
                "dec": field.dec,
                "stars": [asdict(star) for star in field.stars],
                "exposures": [
                    {"date_obs": frame.stamp, "error_east": frame.error_east, "error_north": frame.error_north}
                    for frame in taken
                    if frame.target == field and frame.type == "OBJECT"
                ],
            }
            for field in fields
        ],
    }
