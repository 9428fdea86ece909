"""A clean-up cut before every mutating call: at any moment each product is there as FITS or as headers, whole."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.recover import recover
from engine.context import Context
from engine.errors import DfosError, OpenJournal
from engine.headers.hdr_file import Cards, fits_headers, parsed
from engine.transfer.cleanup.cleanup_products import Wish, clean_up
from tests.cleaned import MODE, dfos_night, phoenix_night
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.power import Plug, PowerCut, survived
from tests.released import NIGHT, picture, portrait, release_context

WISH = Wish((MODE,), NIGHT)
Night = Callable[[Path], Awaitable[Context]]


class FullDisk:
    """Mutating call `at` fails once, as a full or dying disk makes it fail."""

    def __init__(self, at: int, number: int) -> None:
        self.at = at
        self.number = number
        self.calls = 0

    def __call__(self, verb: str, path: str) -> None:
        self.calls += 1
        if self.calls == self.at and verb not in ("commit", "unlink"):
            raise OSError(self.number, "no luck", path)


def _night(night: Night, root: Path) -> dict[str, list[Cards]]:
    """The headers of every product of a new night, by stem and directory."""

    async def made() -> dict[str, list[Cards]]:
        context = await night(root)
        place = context.tree.sci / NIGHT
        found = {str(path.relative_to(place).with_suffix("")): fits_headers(path) for path in place.rglob("*.fits")}
        context.db.close()
        return found

    return asyncio.run(made())


def _cleaned(root: Path, probe: Callable[[str, str], None]) -> bool:
    """Recover what is open, then clean up; False when the power was cut."""

    async def run(context: Context) -> None:
        await recover(context, MODE, NIGHT)
        await clean_up(context, WISH)

    context = release_context(root)
    try:
        with fs.probed(probe):
            asyncio.run(run(context))
    except PowerCut:
        return False
    finally:
        context.db.close()
    return True


def _nothing_lost(root: Path, headers: dict[str, list[Cards]]) -> None:
    place = root / "account" / "sci" / NIGHT
    for stem, cards in headers.items():
        fits, text = place / f"{stem}.fits", place / f"{stem}.hdr"
        if fits.exists():
            assert fits_headers(fits) == cards
        elif text.exists():
            assert parsed(text.read_bytes()) == cards
        else:
            assert not stem.startswith("conv/") and list((place / "conv").glob("*.hdr")), stem


@pytest.mark.row(111)
@pytest.mark.row(112)
@pytest.mark.parametrize("night", [dfos_night, phoenix_night])
def test_power_cut_before_every_call(memory: Path, night: Night) -> None:
    root = memory / "site"
    headers = _night(night, root)
    tape = Tape([root])
    assert _cleaned(root, tape)
    tape.end()
    assert len(tape.calls) > 20
    assert not tape.pending(len(tape.calls) + 1), "the clean-up ends before all of it is on disk"

    def recovered(probe: fs.Probe) -> None:
        _nothing_lost(root, headers)
        assert _cleaned(root, probe)

    states = survived(tape, recovered, lambda: portrait(root))
    matrix.record(f"cleanupProducts, {'PHOENIX' if night is phoenix_night else 'DFOS'} layout", len(tape.calls), states)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_at_any_call(memory: Path, number: int) -> None:
    template, whole = memory / "template", memory / "whole"
    headers = _night(phoenix_night, template)
    shutil.copytree(template, whole, symlinks=True)
    plug = Plug()
    assert _cleaned(whole, plug)
    wanted = picture(whole / "account")
    for at in range(1, plug.calls + 1, 3):
        root = memory / "cut"
        shutil.copytree(template, root, symlinks=True)
        try:
            _cleaned(root, FullDisk(at, number))
        except DfosError as trouble:
            assert "no luck" in str(trouble) and trouble.remedy
            _nothing_lost(root, headers)
        assert _cleaned(root, Plug())
        assert picture(root / "account") == wanted, f"call {at} of {plug.calls}"
        shutil.rmtree(root)


def test_two_cuts_and_a_file_that_changes_between(memory: Path) -> None:
    headers = _night(dfos_night, memory)
    place = memory / "account" / "sci" / NIGHT
    at = 1
    while not list(place.glob("*.hdr")):
        assert not _cleaned(memory, Plug(at))
        at += 1
    changed = place / "MU_SCBD_1.fits"
    changed.write_bytes(changed.read_bytes())
    context = release_context(memory)
    for _ in range(2):
        with pytest.raises(DfosError, match="changed since the clean-up was planned"):
            asyncio.run(recover(context, MODE, NIGHT))
    with pytest.raises(OpenJournal):
        asyncio.run(clean_up(context, WISH))
    context.db.close()
    assert changed.is_file()
    _nothing_lost(memory, headers)
