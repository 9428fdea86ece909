"""cleanupProducts: FITS give way to headers when nothing speaks against it, and not one of them otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.cleanup import Cleanup
from config.schema import Plugins
from engine import events as ev
from engine.atomic import fs, lock
from engine.atomic.journal import Journal, Step
from engine.context import Context
from engine.core.done import Done
from engine.errors import ArchiveTrouble, Busy, DfosError, MoveTrouble, OpenJournal, PluginTrouble
from engine.headers.cards import keywords
from engine.headers.hdr_file import fits_headers, hdr_headers, hdr_keywords
from engine.pgi import CleanupPlugin
from engine.pgis import pgi_phoenix_MUSE_cleanup
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from engine.transfer.archives.archives import archive_of
from engine.transfer.archives.local_archive import LocalArchive
from engine.transfer.archives.protocol import Receipt
from engine.transfer.cleanup.cleanup_products import Wish, clean_up, list_file, ordered
from engine.transfer.ingest.states import QUEUED, IngestStates
from tests.builders import make_ab, record
from tests.cleaned import MODE, dfos_night, finished, phoenix_night, product
from tests.released import NIGHT, picture

SCIENCE = Wish((MODE,), NIGHT)


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


async def refused(context: Context, *words: str, kind: type[DfosError] = MoveTrouble, wish: Wish = SCIENCE) -> str:
    """The clean-up is refused for these reasons, and nothing has changed."""
    before = picture(context.tree.root)
    with pytest.raises(kind) as caught:
        await clean_up(context, wish)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert picture(context.tree.root) == before
    return text


@pytest.mark.row(111)
async def test_fits_become_headers(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    place = context.tree.sci / NIGHT
    fits = {path.stem: path for path in place.glob("*.fits")}
    headers = {stem: fits_headers(path) for stem, path in fits.items()}
    wanted = {stem: keywords(path, ["PIPEFILE", "NAXIS"]) for stem, path in fits.items()}
    sums = {path.name: (path.stat().st_size, fs.sha256(path)) for path in fits.values()}
    events = record(context)
    done = await clean_up(context, SCIENCE)
    assert done.exit_code == 0 and "2 FITS were replaced by headers" in done.text
    assert names(place) == ["MU_SCBD_1.hdr", "MU_SIMD_1.hdr", "README.txt"]
    for stem, cards in headers.items():
        assert hdr_headers(place / f"{stem}.hdr") == cards
        assert hdr_keywords(place / f"{stem}.hdr", ["PIPEFILE", "NAXIS"]) == wanted[stem]
    freed = sum(size for size, _ in sums.values()) - sum(path.stat().st_size for path in place.glob("*.hdr"))
    assert any(isinstance(one, ev.Notice) and f"{freed} bytes freed" in one.text for one in events)
    lines = [line.split() for line in list_file(context, MODE, NIGHT).read_text().splitlines()[1:]]
    assert {line[1]: (int(line[2]), line[3]) for line in lines} == sums
    assert [line[4] for line in lines] == ["MU_SCBD_1.fits:1", "MU_SIMD_1.fits:1"]
    assert (context.tree.cal / NIGHT / "MU_MBIA_1.fits").is_file(), "the other MODE was not asked for"
    before = picture(context.tree.root)
    assert (await clean_up(context, SCIENCE)) == Done(0, "nothing to clean up")
    assert picture(context.tree.root) == before


async def test_both_modes_or_none(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    finished(context, "cal_Finished", "sci_Updated")
    both = Wish(("CALIB", "SCIENCE"), NIGHT)
    await refused(context, "SCIENCE: the date is not finished, its status is sci_Updated", wish=both)
    order = Order("SCIENCE", NIGHT, tool="cleanupProducts", options={"both": "yes", "override": "yes"})
    done = await ordered(context, order, {})
    assert done.text.startswith("3 FITS were replaced")
    assert names(context.tree.cal / NIGHT) == ["MU_MBIA_1.hdr"]


@pytest.mark.row(111)
async def test_the_override_overrides_the_status_only(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    (context.tree.mon / "DFO_STATUS").unlink()
    await refused(context, "not finished, it has no status (-O overrides")
    states = IngestStates(context.db, MODE, NIGHT)
    item = states.items()["MU_SIMD_1.fits"]
    states.save([replace(item, state=QUEUED, receipt=None)])
    override = replace(SCIENCE, override=True)
    await refused(context, "MU_SIMD_1.fits: not ingested (QUEUED)", kind=ArchiveTrouble, wish=override)
    states.save([item])
    assert (await clean_up(context, override)).exit_code == 0


async def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    before, events = picture(context.tree.root), record(context)
    done = await clean_up(context, replace(SCIENCE, dry_run=True))
    assert "2 FITS would be replaced" in done.text and picture(context.tree.root) == before
    assert any("MU_SCBD_1.fits -> MU_SCBD_1.hdr" in one.text for one in events if isinstance(one, ev.Notice))


def _strange(context: Context) -> None:
    product(context.tree.sci / NIGHT / "new.fits", 5)


def _changed(context: Context) -> None:
    path = context.tree.sci / NIGHT / "MU_SCBD_1.fits"
    data, stamp = bytearray(path.read_bytes()), path.stat()
    data[-4000] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def _other_header(context: Context) -> None:
    (context.tree.sci / NIGHT / "MU_SCBD_1.hdr").write_text("SIMPLE  =                    T\nEND\n")


def _no_header(context: Context) -> None:
    (context.tree.sci / NIGHT / "MU_SCBD_1.hdr").write_bytes(b"\xff\0\n")


def _linked_header(context: Context) -> None:
    (context.tree.sci / NIGHT / "MU_SCBD_1.hdr").symlink_to("README.txt")


def _link(context: Context) -> None:
    path = context.tree.sci / NIGHT / "MU_SCBD_1.fits"
    path.rename(context.tree.tmp / "x.fits")
    path.symlink_to(context.tree.tmp / "x.fits")


def _pipe(context: Context) -> None:
    os.mkfifo(context.tree.sci / NIGHT / "pipe.fits")


def _broken(context: Context) -> None:
    (context.tree.sci / NIGHT / "broken.fits").write_bytes(b"SIMPLE  =")


def _twin(context: Context) -> None:
    path = context.tree.sci / NIGHT / "MU_SCBD_1.fits"
    (path.parent / "MU_SCBD_1.fits.fz").write_bytes(path.read_bytes())
    states = IngestStates(context.db, MODE, NIGHT)
    states.save([replace(states.items()["MU_SCBD_1.fits"], name="MU_SCBD_1.fits.fz")])


def _needed(context: Context) -> None:
    calibs = [("REAL", f"$DFO_SCI_DIR/{NIGHT}/MU_SCBD_1.hdr", "X")]
    AbStore(context.tree).write(make_ab("MUSE.2014-10-29T01:00:00.000", calibs=calibs, date="2014-10-28"))


def _needed_by_pipefile(context: Context) -> None:
    sof = [("$DFS_PRODUCT/OBJECT/2014-10-22/r.MUSE.2_0000.fits", "PIXTABLE_OBJECT")]
    AbStore(context.tree).write(make_ab("MUSE.2014-10-29T01:00:00.000", sof=sof))


def _bad_ab(context: Context) -> None:
    (context.tree.ab / "bad.ab").write_text("AB_NAME bad.ab\n")


@pytest.mark.row(111)
@pytest.mark.parametrize(
    ("damage", "words", "kind"),
    [
        (_strange, "new.fits: not ingested", ArchiveTrouble),
        (_changed, "MU_SCBD_1.fits: not what was ingested", ArchiveTrouble),
        (_other_header, "MU_SCBD_1.hdr stands there with other content", MoveTrouble),
        (_no_header, "MU_SCBD_1.hdr stands there with other content", MoveTrouble),
        (_linked_header, "MU_SCBD_1.hdr stands there with other content", MoveTrouble),
        (_link, "it is a symbolic link", MoveTrouble),
        (_pipe, "pipe.fits: it is no regular file", MoveTrouble),
        (_broken, "broken.fits: the file ends within a header", MoveTrouble),
        (_twin, "would both become MU_SCBD_1.hdr", MoveTrouble),
        (_needed, "MU_SCBD_1.fits: MUSE.2014-10-29T01:00:00.000.ab still needs it", MoveTrouble),
        (_needed_by_pipefile, "MU_SIMD_1.fits: MUSE.2014-10-29T01:00:00.000.ab still needs it", MoveTrouble),
        (_bad_ab, "nobody knows what this AB needs", MoveTrouble),
    ],
)
async def test_one_reason_and_nothing_is_touched(
    tmp_path: Path, damage: Callable[[Context], None], words: str, kind: type[DfosError]
) -> None:
    context = await dfos_night(tmp_path)
    damage(context)
    if damage is not _pipe:
        await refused(context, words, kind=kind)
        return
    with pytest.raises(kind, match=words):
        await clean_up(context, SCIENCE)
    assert len(list((context.tree.sci / NIGHT).glob("*.fits"))) == 3


async def test_every_reason_is_told(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    finished(context)
    for damage in (_strange, _broken, _needed, _other_header):
        damage(context)
    words = ["not finished", "new.fits", "broken.fits", "MU_SCBD_1.hdr stands", "SCIENCE: "]
    text = await refused(context, *words, kind=ArchiveTrouble)
    assert len(text.splitlines()) == 4


async def test_an_ab_that_is_done_or_runs_nothing_needs_nothing(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    calibs = [("REAL", f"$DFO_SCI_DIR/{NIGHT}/MU_SCBD_1.fits", "X")]
    AbStore(context.tree).write(make_ab("MUSE.2014-10-29T01:00:00.000", calibs=calibs, status="SUCCESSFUL"))
    AbStore(context.tree).write(make_ab("MUSE.2014-10-29T02:00:00.000", calibs=calibs, RECIPE="none"))
    assert (await clean_up(context, SCIENCE)).exit_code == 0


class Liar(LocalArchive):
    """Says no, or cannot be reached."""

    def __init__(self, context: Context, *, down: bool) -> None:
        super().__init__(context.tree.root / "archive", context.utc)
        self.down = down

    async def confirms(self, receipt: Receipt, *, deep: bool = False) -> bool:
        if self.down:
            raise ArchiveTrouble("connection refused")
        return False


@pytest.mark.parametrize(("down", "words"), [(True, "connection refused"), (False, "does not confirm it any more")])
async def test_an_archive_that_does_not_say_yes_now(tmp_path: Path, down: bool, words: str) -> None:
    context = await dfos_night(tmp_path)
    before = picture(context.tree.root)
    with pytest.raises(ArchiveTrouble, match=words) as caught:
        await clean_up(context, SCIENCE, archive=Liar(context, down=down))
    assert caught.value.exit_code == 16 and picture(context.tree.root) == before


async def test_an_archive_that_lost_its_bytes(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    kept = next((context.tree.root / "archive" / "files").glob("MU_SCBD*"))
    data = bytearray(kept.read_bytes())
    data[-1] ^= 255
    kept.chmod(0o644)
    kept.write_bytes(data)
    await refused(context, "MU_SCBD_1.fits: the archive does not confirm it any more", kind=ArchiveTrouble)


async def test_a_header_that_is_there_already_is_kept(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    path = context.tree.sci / NIGHT / "MU_SCBD_1.fits"
    trimmed = b"".join(card.rstrip() + b"\r\n" for cards in fits_headers(path) for card in (*cards, b"END"))
    path.with_suffix(".hdr").write_bytes(trimmed)
    assert (await clean_up(context, SCIENCE)).exit_code == 0
    assert path.with_suffix(".hdr").read_bytes() == trimmed and not path.exists()


async def test_another_name_of_the_file_frees_nothing_and_stays(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    path = context.tree.sci / NIGHT / "MU_SCBD_1.fits"
    (context.tree.tmp / "other name").hardlink_to(path)
    done = await clean_up(context, SCIENCE)
    assert int(done.text.partition("headers, ")[2].split()[0]) < 20_000
    assert (context.tree.tmp / "other name").is_file() and not path.exists()


@pytest.mark.parametrize("name", ["MU a b.fits", "MU\nnew.fits", "MÜ.fits", "MU'\".fits"])
async def test_strange_names(tmp_path: Path, name: str) -> None:
    from tests.cleaned import ingested

    context = await dfos_night(tmp_path)
    await ingested(context, MODE, product(context.tree.sci / NIGHT / name, 8))
    assert (await clean_up(context, SCIENCE)).exit_code == 0
    assert (context.tree.sci / NIGHT / name.replace(".fits", ".hdr")).is_file()
    assert len(list_file(context, MODE, NIGHT).read_text().splitlines()) == 4


async def test_not_while_something_is_unfinished_or_at_work(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    with lock.pool(context.tree, MODE, NIGHT, "moveProducts", "someone"), pytest.raises(Busy):
        await clean_up(context, SCIENCE)
    steps = [Step("a", "make_dir", {"path": str(context.tree.tmp / "x")}, "make x")]
    journal = Journal(context.db, context.tree)
    journal.begin("move", "CALIB", NIGHT, "rh", lambda _: steps, begun=context.utc(), summary="a move")
    with pytest.raises(OpenJournal, match="a move"):
        await clean_up(context, SCIENCE)


@pytest.mark.row(112)
async def test_converted_products_become_headers_and_their_originals_go(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path, plugins=Plugins(CLEANUP_PLUGIN="pgi_phoenix_MUSE_cleanup"))
    assert isinstance(pgi_phoenix_MUSE_cleanup, CleanupPlugin)
    place = context.tree.sci / NIGHT
    conv = place / "conv"
    (conv / "ADP_2.fits").rename(conv / "MU_SIMD_2.fits")
    states = IngestStates(context.db, MODE, NIGHT)
    states.save([replace(states.items()["ADP_2.fits"], name="MU_SIMD_2.fits", stored_as="ADP_2.fits")])
    events = record(context)
    done = await clean_up(context, SCIENCE, pgi_phoenix_MUSE_cleanup)
    assert names(conv) == ["MU_SCBD_1.hdr", "MU_SIMD_2.hdr", "a.log", "a.png", "b_pst1.png", "c.png"]
    assert names(place) == ["MU_SXXX_1.fits", "conv"]
    link = (conv / "a.png").readlink()
    assert not link.is_absolute() and (conv / link).samefile(context.tree.plt / NIGHT / "a.png")
    assert (conv / "b_pst1.png").read_bytes() == b"png b" and (conv / "b_pst1.png").is_symlink()
    assert not (conv / "c.png").is_symlink(), "other content under the same name"
    assert done.exit_code == 1 and "4 FITS were replaced" in done.text and "2 graphics linked" in done.text
    told = [one.text for one in events if isinstance(one, ev.Notice)]
    assert any("MU_SXXX_1.fits stays FITS: the plugin keeps it" in text for text in told)
    lines = [line.split() for line in list_file(context, MODE, NIGHT).read_text().splitlines()[1:]]
    assert [(line[1], line[4]) for line in lines] == [
        ("MU_SCBD_1.fits", "MU_SCBD_1.fits:1"),
        ("MU_SIMD_2.fits", "ADP_2.fits:1"),
        ("MU_SCBD_1.fits", "as:MU_SCBD_1.hdr"),
        ("MU_SIMD_1.fits", "as:MU_SIMD_2.hdr"),
    ]


async def test_an_original_nobody_converted_stays(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path)
    done = await clean_up(context, SCIENCE)
    assert done.exit_code == 1 and names(context.tree.sci / NIGHT) == ["MU_SXXX_1.fits", "conv"]


async def test_a_later_clean_up_takes_originals_of_headers_that_are_there(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path)
    place = context.tree.sci / NIGHT
    kept = (place / "MU_SIMD_1.fits").rename(context.tree.tmp / "kept.fits")
    await clean_up(context, SCIENCE)
    kept.rename(place / "MU_SIMD_1.fits")
    assert "1 FITS was replaced" in (await clean_up(context, SCIENCE)).text
    assert names(place) == ["MU_SXXX_1.fits", "conv"]
    assert len(list_file(context, MODE, NIGHT).read_text().splitlines()) == 5


async def test_a_converted_product_that_is_not_ingested_stops_it_all(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path)
    product(context.tree.sci / NIGHT / "conv" / "late.fits", 11)
    await refused(context, "late.fits: not ingested", kind=ArchiveTrouble)


async def test_the_layout_can_be_said(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path, cleanup=Cleanup(layout="dfos"))
    await refused(context, "MU_SXXX_1.fits: not ingested", kind=ArchiveTrouble)


class Keeps:
    """A plugin that keeps some."""

    def __init__(self, *kept: str) -> None:
        self.kept = kept

    def spare(self, mode: str, date: str, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"$DFO_SCI_DIR/{date}/{name}" for name in self.kept)


class Fails:
    """A plugin that crashes."""

    def spare(self, mode: str, date: str, files: tuple[str, ...]) -> tuple[str, ...]:
        raise ValueError("bug")


async def test_the_plugin_keeps_some_and_nothing_else(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path, plugins=Plugins(CLEANUP_PLUGIN="pgi_keep"))
    before = picture(context.tree.root)
    with pytest.raises(PluginTrouble, match="not found"):
        await clean_up(context, SCIENCE)
    with pytest.raises(PluginTrouble, match="which it was not shown"):
        await clean_up(context, SCIENCE, Keeps("../x.fits"))
    with pytest.raises(PluginTrouble, match="bug"):
        await clean_up(context, SCIENCE, Fails())
    assert picture(context.tree.root) == before
    assert (await clean_up(context, SCIENCE, Keeps("MU_SCBD_1.fits"))).exit_code == 1
    assert names(context.tree.sci / NIGHT) == ["MU_SCBD_1.fits", "MU_SIMD_1.hdr", "README.txt"]


async def test_receipts_are_those_of_the_archive(tmp_path: Path) -> None:
    context = await dfos_night(tmp_path)
    item = IngestStates(context.db, MODE, NIGHT).items()["MU_SCBD_1.fits"]
    assert item.receipt is not None and await archive_of(context).confirms(item.receipt, deep=True)


async def test_nothing_outside_the_account_is_touched(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path)
    place = context.tree.sci / NIGHT
    outside = (place / "conv").rename(tmp_path / "outside")
    (place / "conv").symlink_to(outside)
    before = picture(tmp_path)
    with pytest.raises(MoveTrouble, match="leads out of the account"):
        await clean_up(context, SCIENCE)
    assert picture(tmp_path) == before


async def test_odd_things_that_stand_about(tmp_path: Path) -> None:
    context = await phoenix_night(tmp_path)
    conv = context.tree.sci / NIGHT / "conv"
    os.mkfifo(conv / "pipe.png")
    (conv / "dir.png").mkdir()
    (conv / "dangling.png").symlink_to("nowhere")
    os.mkfifo(context.tree.plt / NIGHT / "pipe.png")
    list_file(context, MODE, NIGHT).mkdir()
    with pytest.raises(MoveTrouble, match="where the list goes"):
        await clean_up(context, SCIENCE)
    list_file(context, MODE, NIGHT).rmdir()
    assert "4 FITS were replaced" in (await clean_up(context, SCIENCE)).text
