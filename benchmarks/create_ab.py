"""createAB from header files to the texts of the ABs, with the MUSE rules: everything but the writing."""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.oca import A_NIGHT, CARDS, calibrations, raw_headers
from config.schema import Settings
from config.tree import DIRECTORIES, DfoTree
from engine.create.createab.survey import looked

HEADERS, FEW, CALIBRATIONS = 10_000, 1_000, 2_000
ROUNDS = 3
DATE = "2094-01-16"
FILLER = "".join(
    f"{f'HIERARCH ESO INS TEMP{n} VAL = {n * 0.37!r} / [C] Temperature sensor':<80}\n" for n in range(CARDS)
)


def text(keys: Mapping[str, object]) -> str:
    """A `.hdr` file of a raw file's size with these keys at its end, where they take longest to find."""
    cards = []
    for key, value in keys.items():
        name = f"HIERARCH ESO {key.replace('.', ' ')} =" if "." in key else f"{key:<8}="
        cards.append(f"{name} '{value}'" if isinstance(value, str) else f"{name} {value!r}")
    lines = "".join(f"{card:<80}\n" for card in cards)
    return f"{'SIMPLE  = T':<80}\n{FILLER[: 81 * (CARDS - len(cards))]}{lines}{'END':<80}\n"


def site(root: Path, count: int) -> DfoTree:
    """An account with so many raw headers in one DATE, and its share of the calibrations."""
    paths = {variable: root / attribute for variable, attribute in DIRECTORIES.items()}
    variables = {variable: str(path) for variable, path in paths.items()} | {"DFO_HDR_DIR": str(root / "hdr")}
    tree = DfoTree(root=root, variables=variables, **{DIRECTORIES[name]: path for name, path in paths.items()})
    folder, static = root / "hdr" / DATE, tree.cal / "gen"
    folder.mkdir(parents=True)
    static.mkdir(parents=True)
    for number, header in enumerate(raw_headers(count)):
        stamp = f"2014-09-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000"
        (folder / f"MUSE.{stamp}.hdr").write_text(text(header))
    for number, header in enumerate(calibrations(CALIBRATIONS * count // HEADERS, count // A_NIGHT)):
        (static / f"MU_{number:05}.hdr").write_text(text(header))
    return tree


def planned(tree: DfoTree) -> float:
    """Processor seconds of a dry run of createAB."""
    gc.collect()
    begin = time.process_time()
    plan = looked(tree, Settings(instance="MUSE", instrument="MUSE"), "CALIB", DATE).plan
    assert plan.written
    return time.process_time() - begin


def main() -> None:
    """Print one JSON object a line."""
    with tempfile.TemporaryDirectory() as place:
        many, few = site(Path(place) / "many", HEADERS), site(Path(place) / "few", FEW)
        times = [(planned(many) / HEADERS * 1e3, planned(few) / FEW * 1e3) for _ in range(ROUNDS)]
    ours, small = (statistics.median(column) for column in zip(*times, strict=True))
    work = (
        f"createAB: {HEADERS:,} headers of {CARDS} cards and {CALIBRATIONS:,} calibrations read, ruled, ABs written out"
    )
    rows = [
        {"work": work, "ours": {"ms_cpu_per_header": round(ours, 3)}, "peer": None, "ratio": None, "goal": "1.5 ms"},
        {
            "work": f"the same per header, {HEADERS:,} against {FEW:,} headers",
            "ours": {"ms_cpu_per_header": round(ours, 3)},
            "peer": {"ms_cpu_per_header": round(small, 3)},
            "ratio": round(ours / small, 2),
            "goal": "1.2 (linear)",
        },
    ]
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
