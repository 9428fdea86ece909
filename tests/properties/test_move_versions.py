"""However a pool came together, its versions are those of a clean run of all of it (step 2.2)."""

from __future__ import annotations

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.archive import Archive
from engine.release.move.move_products import move
from engine.release.rename.look import header_keywords
from engine.stores.abs import read
from tests.released import NIGHT, bias, keen, processed, release_context

MINUTES = (0, 10, 20, 30)


def _moved(root: Path, batches: list[list[int]], slim: bool = False) -> dict[str, tuple[str, str]]:
    """Move biases batch by batch; by AB the name of its product, and whose header stands there.

    `slim`: between the batches the products that stand there give way to their headers.
    """
    updates = Archive(enable_updates=True)
    context = release_context(root, keen(move__recreate="keep"), archive=updates)
    place, found = context.tree.cal / NIGHT, {}
    try:
        for batch in batches:
            for path in place.glob("*.fits") if slim else ():
                path.with_suffix(".hdr").write_bytes(path.read_bytes()[:2880])
                path.unlink()
            for minute in batch:
                processed(context, bias(minute))
            asyncio.run(move(context, "CALIB", NIGHT))
        for minute in MINUTES:
            ab = read(context.tree.log / NIGHT / bias(minute).name)
            name = ab.products[0].name
            path = place / name if (place / name).exists() else (place / name).with_suffix(".hdr")
            found[ab.root] = (name, str(header_keywords(path, ("PIPEFILE",))["PIPEFILE"]))
    finally:
        context.db.close()
    names = {path.stem for path in place.iterdir() if path.name != "rn_files"}
    assert names == {name.removesuffix(".fits") for name, _ in found.values()}, "ABs name what stands there"
    return found


@pytest.mark.row(61, 62)
@settings(max_examples=6)
@given(order=st.permutations(MINUTES), cuts=st.sets(st.integers(1, 3)), slim=st.booleans())
def test_versions_after_any_number_of_runs_are_those_of_one(order: list[int], cuts: set[int], slim: bool) -> None:
    edges = [0, *sorted(cuts), len(order)]
    batches = [order[start:end] for start, end in pairwise(edges)]
    with tempfile.TemporaryDirectory() as folder:
        several = _moved(Path(folder) / "several", batches, slim)
        once = _moved(Path(folder) / "once", [list(MINUTES)])
    assert several == once
