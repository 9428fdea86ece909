"""ingestProducts as an order: options, exit codes, what it says at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli.ingest import parser
from engine.context import Context
from engine.release.move.move_products import move
from engine.stores.orders import Order
from engine.transfer.ingest.jobs_ingest import Call, append
from engine.workflows.phoenix import carry_out
from engine.workflows.under_way import Ended, Plugins
from tests.builders import PSEUDO
from tests.released import release_context, target


async def _ordered(context: Context, **options: str) -> Ended:
    order = Order("SCIENCE", PSEUDO, "I", options=options)
    return await carry_out(context, order, Plugins(), "stand-in", True, lambda streams: None)


async def _moved(root: Path) -> Context:
    context = release_context(root)
    target(context)
    await move(context, "SCIENCE", PSEUDO)
    return context


@pytest.mark.row(106)
async def test_exit_codes_of_the_order(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    path = min((context.tree.sci / PSEUDO).glob("*.fits"))
    content = path.read_bytes()
    path.write_bytes(content[:-2880])
    seen = await _ordered(context, verify="yes")
    assert seen.exit_code == 13 and path.name in seen.text and "2 files verified, 1 damaged" in seen.text
    assert not context.tree.archive.exists()
    stopped = await _ordered(context)
    assert stopped.exit_code == 13 and "0 products in the archive" in stopped.text
    some = await _ordered(context, skip_bad="yes")
    assert some.exit_code == 13 and "1 product in the archive" in some.text
    path.write_bytes(content)
    done = await _ordered(context)
    assert done.exit_code == 0 and "2 products in the archive" in done.text


@pytest.mark.row(102)
async def test_calls_that_piled_up_are_merged_with_a_note(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    file = context.tree.job / "JOBS_INGEST"
    file.write_text(file.read_text() * 3 + "someTool\n")
    append(context.tree, Call("SCIENCE", PSEUDO))
    notes: list[str] = []
    context.bus.subscribe(lambda stamped: notes.append(getattr(stamped.event, "text", "")))
    await _ordered(context)
    assert any("2 calls stood there more than once" in note for note in notes)
    assert file.read_text() == "someTool\n"


@pytest.mark.row(27)
def test_the_help_states_the_four_facts() -> None:
    text = parser().format_help()
    for fact in ("databases:", "dfos tools used:", "output used by:", "upload/download:"):
        assert fact in text
