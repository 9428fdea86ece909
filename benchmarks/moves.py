"""Moves: the placement of products against a bare rename loop, a whole moveProducts, and a cube across filesystems."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astropy.io import fits

from config.schema import Certification, Move, Saved, Settings
from config.tree import DIRECTORIES, DfoTree
from engine.atomic import place as placing
from engine.atomic.journal import Journal
from engine.atomic.shifts import shifts
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.ab import parse
from engine.demo.account import DemoSpec, build_account
from engine.headers.cards import set_cards
from engine.questions import Answer, Operator, Question
from engine.release.move.move_products import move
from engine.stores.abs import AbStore
from engine.stores.database import connect

DATE = "2014-10-22"
ROUNDS = 3
PER_AB = 10  # products of one AB


class Keen(Operator):
    """Accepts everything."""

    async def ask(self, question: Question) -> Answer:
        """The answer that lets the move go on."""
        return Answer(question.id, "accept", "", "bench", "2026-01-01T00:00:00")


def tree_below(root: Path) -> DfoTree:
    """An account with every directory there."""
    paths = {variable: root / attribute for variable, attribute in DIRECTORIES.items()}
    for path in paths.values():
        path.mkdir(parents=True, exist_ok=True)
    variables = {variable: str(path) for variable, path in paths.items()}
    attributes: dict[str, Any] = {DIRECTORIES[variable]: path for variable, path in paths.items()}
    tree = DfoTree(root=root, variables=variables, **attributes)
    tree.state.mkdir()
    return tree


def context_of(tree: DfoTree, settings: Settings) -> Context:
    """A context without screens."""
    db = connect(tree.journal)
    return Context(settings, tree, Bus("bench"), Board(), Keen(), db, "bench", True)


@contextmanager
def account(base: Settings, count: int) -> Iterator[Context]:
    """`count` processed products, ten to an AB, with ESO-like headers of 300 cards, logs beside them."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as scratch:
        settings = base.model_copy(
            update={
                "move": Move(
                    tool_mode="AUTO",
                    raw_types=(Saved(raw_type="BIAS", mode="CALIB", save="ALL"),),
                    rename={"CALIB": True},
                ),
                "certification": Certification(mode="auto_all"),
            }
        )
        context = context_of(tree_below(Path(scratch)), settings)
        fill(context, count)
        os.sync()
        yield context
        context.db.close()


def fill(context: Context, count: int) -> None:
    """The products, ABs and logs."""
    tree = context.tree
    place = tree.product / "BIAS" / DATE
    place.mkdir(parents=True)
    header = fits.Header()
    for number in range(280):
        header[f"HIERARCH ESO QC PAR{number} VALUE"] = number / 7
    header["MJD-OBS"], header["PIPEFILE"] = 56952.0, "x" * 40
    header["HIERARCH ESO PRO CATG"], header["HIERARCH ESO DET READ CURNAME"] = "MASTER_BIAS", "SCI1.0"
    model = Path(tree.tmp) / "model.fits"
    fits.PrimaryHDU(header=header).writeto(model, checksum=True)
    store = AbStore(tree)
    for first in range(0, count, PER_AB):
        stamp = f"2014-10-22T{first // 3600 % 24:02d}:{first // 60 % 60:02d}:{first % 60:02d}.{first // 86400:03d}"
        root = f"r.MUSE.{stamp}_tpl"
        names = [f"{root}_{number:04d}.fits" for number in range(min(PER_AB, count - first))]
        for number, name in enumerate(names):
            shutil.copyfile(model, place / name)
            set_cards(place / name, {"PIPEFILE": name, "MJD-OBS": 56952.0 + (first + number) / 1e6})
        lines = [
            f"AB_NAME MUSE.{stamp}_tpl.ab",
            "RAW_TYPE BIAS",
            "RECIPE muse_bias",
            f"DATE {DATE}",
            f"BATCH_ID CALIB_{DATE}",
            f"PROD_ROOT_NAME {root}",
            "PROCESS_STATUS SUCCESSFUL",
            *(f"PRODUCTS {name} MASTER_BIAS REAL" for name in names),
        ]
        store.write(parse("".join(f"{line}\n" for line in lines).encode(), "bench"))
        (tree.dfs_log / f"{root}.log").write_text("log\n")


def files(tree: DfoTree, count: int, name: str) -> list[tuple[Path, Path]]:
    """`count` fresh files of 10 kB in a directory, and where they shall go: an empty one."""
    source, target = tree.product / name, tree.cal / name
    source.mkdir()
    target.mkdir()
    for number in range(count):
        (source / f"r.MUSE.{number:06d}.fits").write_bytes(b"x" * 10_000)
    return [(source / f"r.MUSE.{n:06d}.fits", target / f"MU_MBIA_{n:06d}.fits") for n in range(count)]


def placement(count: int) -> tuple[float, float]:
    """Seconds for `count` files: journalled and crash-safe; a bare loop of os.rename."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as scratch:
        tree = tree_below(Path(scratch))
        journal = Journal(connect(tree.journal), tree)
        pairs, bare = files(tree, count, "ours"), files(tree, count, "peer")
        texts = [(str(old), str(new)) for old, new in bare]
        os.sync()
        begun = time.perf_counter()
        transaction = journal.begin(
            "move", "CALIB", DATE, "bench", lambda _: shifts("place", pairs, "place"), begun="2026", summary="bench"
        )
        asyncio.run(journal.run(transaction, lambda: "2026"))
        ours = time.perf_counter() - begun
        assert len(list(pairs[0][1].parent.iterdir())) == count
        os.sync()
        begun = time.perf_counter()
        for old, new in texts:
            os.rename(old, new)  # noqa: PTH104 - the peer
        return ours, time.perf_counter() - begun


def whole(base: Settings, count: int) -> tuple[float, float]:
    """Processor ms per product of a whole moveProducts, and the peak of this process in MB."""
    with account(base, count) as context:
        before = time.process_time()
        moved = asyncio.run(move(context, "CALIB", DATE))
        used = time.process_time() - before
        assert moved.moved == count, moved
    return used / count * 1000, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def across(size: int) -> tuple[float, float]:
    """Seconds for a cube from memory to the disk: ours with SHA-256 and fsync, and shutil.copyfile."""
    memory = Path("/dev/shm")  # noqa: S108 - another filesystem
    with tempfile.TemporaryDirectory(dir=memory) as one, tempfile.TemporaryDirectory(dir=Path.cwd()) as two:
        cube = Path(one) / "cube.fits"
        with cube.open("wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        target = Path(two) / "cube.fits"

        def timed(work: Callable[[], object]) -> float:
            target.unlink(missing_ok=True)
            os.sync()
            begun = time.perf_counter()
            work()
            return time.perf_counter() - begun

        pairs = [
            (timed(lambda: placing.copy(cube, target)), timed(lambda: shutil.copyfile(cube, target)))
            for _ in range(ROUNDS)
        ]
    return statistics.median(mine for mine, _ in pairs), statistics.median(other for _, other in pairs)


def main() -> list[dict[str, object]]:
    """All rows."""
    rows: list[dict[str, object]] = []
    ours, peer = across(2 << 30)
    rows.append(
        {
            "work": "a 2 GB cube across filesystems, SHA-256 and fsync (s)",
            "ours": round(ours, 2),
            "peer": f"shutil.copyfile {peer:.2f}",
            "ratio": round(ours / peer, 2),
            "goal": "2 x",
        }
    )
    pairs = [placement(10_000) for _ in range(ROUNDS)]
    ours, peer = (statistics.median(side) / 10_000 * 1e6 for side in zip(*pairs, strict=True))
    ratio = statistics.median(mine / other for mine, other in pairs)
    rows.append(
        {
            "work": "placement of 10,000 products, journalled (us each)",
            "ours": round(ours, 1),
            "peer": f"os.rename {peer:.1f}",
            "ratio": round(ratio, 2),
            "goal": "1.5 x",
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        build_account(Path(scratch) / "account", DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
        from console.account import open_settings, open_tree

        base = open_settings(open_tree(Path(scratch) / "account", {}), {}).settings
    for count in (1_000, 10_000, 20_000):
        cpu, peak = whole(base, count)
        rows.append(
            {
                "work": f"moveProducts of {count:,} products",
                "ours": f"{cpu:.2f} ms cpu each, peak {peak:.0f} MB",
                "peer": None,
                "ratio": None,
                "goal": "1.5 ms, linear",
            }
        )
    return rows


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
