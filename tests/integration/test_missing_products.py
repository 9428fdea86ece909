"""A product that was moved and is not there any more is missed, by name: at ingestion, at verification, at clean-up."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError
from engine.release.move.move_products import move
from engine.transfer.cleanup.cleanup_products import Wish, clean_up
from engine.transfer.expected import gone
from engine.transfer.ingest.ingest_products import ingest, log_file, verify_only
from engine.transfer.ingest.states import FAILED, INGESTED, IngestStates
from tests.builders import record
from tests.released import NIGHT, biases, picture, release_context
from tests.renamed import rename

A, B, C = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABC")
OVERRIDE = Wish(("CALIB",), NIGHT, override=True)


async def moved(root: Path) -> tuple[Context, Path, list[AB]]:
    context = release_context(root)
    abs_ = biases(context)
    await move(context, "CALIB", NIGHT)
    return context, context.tree.cal / NIGHT, abs_


def queued(context: Context) -> bool:
    return "ingestProducts" in (context.tree.job / "JOBS_INGEST").read_text()


@pytest.mark.row(105, 106)
async def test_a_lost_product_is_failed_by_name_and_the_call_stays(tmp_path: Path) -> None:
    context, place, _ = await moved(tmp_path)
    kept = (place / B).read_bytes()
    (place / B).unlink()
    events = record(context)
    result = await ingest(context, "CALIB", NIGHT)
    assert result.exit_code == 16 and [name for name, _ in result.missing] == [B]
    assert result.text.startswith("2 products in the archive, 1 missing") and B in result.text
    assert queued(context)
    assert any(isinstance(one, ev.Notice) and one.level == "error" and B in one.text for one in events)
    items = IngestStates(context.db, "CALIB", NIGHT).items()
    assert [items[name].state for name in (A, B, C)] == [INGESTED, FAILED, INGESTED]
    again = await ingest(context, "CALIB", NIGHT)
    assert again.exit_code == 16 and queued(context)
    lines = log_file(context, "CALIB", NIGHT).read_text().splitlines()
    assert len([line for line in lines if line.startswith(B)]) == 1, "said once in the log"
    (place / B).write_bytes(kept)
    done = await ingest(context, "CALIB", NIGHT)
    assert done.exit_code == 0 and len(done.confirmed) == 3 and not queued(context)


async def test_without_manifests_the_abs_say_what_is_missed(tmp_path: Path) -> None:
    context, place, abs_ = await moved(tmp_path)
    for path in context.tree.lst.glob("manifest_*"):
        path.unlink()
    assert gone(context.tree, "CALIB", NIGHT, []) == []
    (place / C).unlink()
    ((missed),) = gone(context.tree, "CALIB", NIGHT, [])
    assert missed.name == C and f"{abs_[2].name} names it REAL" in missed.why
    (place / B).rename((place / B).with_suffix(".hdr"))
    assert len(gone(context.tree, "CALIB", NIGHT, [])) == 1, "an older tool slimmed it"


async def test_verify_only_names_it_and_notes_nothing(tmp_path: Path) -> None:
    context, place, _ = await moved(tmp_path)
    (place / A).unlink()
    before = picture(context.tree.root)
    result = await verify_only(context, "CALIB", NIGHT)
    assert result.exit_code == 16 and A in result.text
    assert picture(context.tree.root) == before


async def test_a_header_in_its_place_counts_once_it_was_ingested(tmp_path: Path) -> None:
    context, place, _ = await moved(tmp_path)
    (place / A).rename((place / A).with_suffix(".hdr"))
    result = await ingest(context, "CALIB", NIGHT)
    assert [name for name, _ in result.missing] == [A] and "only its header" in result.text
    (place / A).with_suffix(".hdr").rename(place / A)
    assert (await ingest(context, "CALIB", NIGHT)).exit_code == 0
    (place / A).rename((place / A).with_suffix(".hdr"))
    assert (await ingest(context, "CALIB", NIGHT)).exit_code == 0


async def test_other_names_of_a_product_are_not_a_loss(tmp_path: Path) -> None:
    context, place, _ = await moved(tmp_path)
    await rename(context, back=True)
    assert gone(context.tree, "CALIB", NIGHT, []) == []
    by_hand(place / "rn_files")
    assert (place / A).is_file() and gone(context.tree, "CALIB", NIGHT, []) == []


def by_hand(script: Path) -> None:
    subprocess.run([script], check=True)


@pytest.mark.row(111)
async def test_cleanup_refuses_while_a_product_is_missed(tmp_path: Path) -> None:
    context, place, _ = await moved(tmp_path)
    (place / B).unlink()
    await ingest(context, "CALIB", NIGHT)
    before = picture(context.tree.root)
    with pytest.raises(DfosError, match=B):
        await clean_up(context, OVERRIDE)
    assert picture(context.tree.root) == before


async def test_cleanup_refuses_when_not_even_a_header_is_left(tmp_path: Path) -> None:
    context, place, _ = await moved(tmp_path)
    await ingest(context, "CALIB", NIGHT)
    for path in place.glob("*.fits"):
        path.unlink()
    with pytest.raises(DfosError, match="it is gone from"):
        await clean_up(context, OVERRIDE)


async def test_after_a_cleanup_nothing_is_missed(tmp_path: Path) -> None:
    context, _, _ = await moved(tmp_path)
    await ingest(context, "CALIB", NIGHT)
    assert (await clean_up(context, OVERRIDE)).exit_code == 0
    assert (await clean_up(context, replace(OVERRIDE, dry_run=True))).text.endswith("nothing to clean up")
    assert (await ingest(context, "CALIB", NIGHT)).exit_code == 0
