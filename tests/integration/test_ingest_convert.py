"""Science is converted, then ingested: two parts, each with its own state."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from config.schema import Archive
from engine import events as ev
from engine.atomic import fs
from engine.context import Context
from engine.errors import DfosError, PluginTrouble
from engine.release.move.move_products import move
from engine.transfer.archives.local_archive import LocalArchive
from engine.transfer.ingest.ingest_products import Ingested, ingest
from engine.transfer.ingest.log import ingest_log
from engine.transfer.ingest.states import IngestStates, Item, stages
from tests.builders import PSEUDO, record
from tests.released import keen, picture, release_context, target

GOOD = """#!/bin/sh
[ "$1 $2 $#" = "-d 2094-01-16 2" ] || exit 9
cd "$DFO_SCI_DIR/$2" || exit 8
mkdir conv
n=0
for f in *.fits; do n=$((n+1)); cp "$f" conv/ADP.2094-01-16T00:00:0$n.000.fits; done
echo png > conv/pst.png; echo for people > conv/notes.txt
"""


def _tool(context: Context, text: str) -> None:
    path = context.tree.bin / "idpConvert_mu"
    path.write_text(text)
    path.chmod(0o755)


async def _moved(root: Path, tool: str = GOOD, **given: object) -> Context:
    archive = Archive(conversion="idpConvert_mu", **given)  # type: ignore[arg-type]
    context = release_context(root, archive=archive)
    target(context)
    await move(context, "SCIENCE", PSEUDO)
    _tool(context, tool)
    return context


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


async def _ingest(context: Context, **given: bool) -> Ingested:
    return await ingest(context, "SCIENCE", PSEUDO, sleep=_no_pause, **given)  # type: ignore[arg-type]


@pytest.mark.row(104)
async def test_both_parts_have_their_own_state(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    events = record(context)
    result = await _ingest(context)
    assert result.exit_code == 0
    assert result.confirmed == ("ADP.2094-01-16T00:00:01.000.fits", "ADP.2094-01-16T00:00:02.000.fits", "pst.png")
    phases = [event.phase for event in events if isinstance(event, ev.PhaseStarted)]
    assert phases == ["convert", "verify", "ingest"]
    assert [(stage.stage, stage.state) for stage in stages(context.db, "SCIENCE", PSEUDO)] == [
        ("convert", "done"),
        ("ingest", "done"),
    ]
    assert (context.tree.sci / PSEUDO / "conv" / "notes.txt").is_file()
    assert not list(context.tree.sci.glob(".convert*"))
    before = picture(context.tree.root)
    assert (await _ingest(context)).exit_code == 0 and picture(context.tree.root) == before, "converted once"


@pytest.mark.row(110)
async def test_the_ingestion_alone(tmp_path: Path) -> None:
    context = await _moved(tmp_path, "#!/bin/sh\nexit 1\n")
    conv = context.tree.sci / PSEUDO / "conv"
    conv.mkdir()
    source = min((context.tree.sci / PSEUDO).glob("*.fits"))
    shutil.copy(source, conv / "ADP.1.fits")
    with pytest.raises(DfosError, match="not made here"):
        await _ingest(context)
    assert (await _ingest(context, convert=False)).confirmed == ("ADP.1.fits",)


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("#!/bin/sh\necho wrong keyword >&2\nexit 3\n", "exit code 3: wrong keyword"),
        ("#!/bin/sh\nkill -9 $$\n", "signal 9"),
        ("#!/bin/sh\nsleep 60\n", "did not end within 0.3 s"),
        ("#!/bin/sh\nexit 0\n", "left no directory conv"),
        ('#!/bin/sh\nmkdir "$DFO_SCI_DIR/$2/conv"\n', "left no FITS file"),
        ('#!/bin/sh\nmkdir -p "$DFO_SCI_DIR/$2/conv/deep"\n', "no file: deep"),
        ('#!/bin/sh\nmkdir "$DFO_SCI_DIR/$2/conv"; ln -s /nowhere "$DFO_SCI_DIR/$2/conv/a.fits"\n', "link to nothing"),
        ("#!/no/such/shell\n", "cannot be started"),
    ],
)
async def test_a_conversion_that_fails_leaves_nothing(tool: str, words: str, tmp_path: Path) -> None:
    context = await _moved(tmp_path, tool, conversion_limit_s=0.3)
    before = picture(context.tree.root)
    with pytest.raises(PluginTrouble, match=words):
        await _ingest(context)
    assert picture(context.tree.root) == before
    assert [(stage.stage, stage.state) for stage in stages(context.db, "SCIENCE", PSEUDO)] == [("convert", "failed")]
    _tool(context, GOOD)
    assert (await _ingest(context)).exit_code == 0


async def test_a_tool_others_may_write_is_not_run(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    (context.tree.bin / "idpConvert_mu").chmod(0o777)
    with pytest.raises(PluginTrouble, match="written by everybody"):
        await _ingest(context)
    settings = context.settings.model_copy(update={"archive": Archive(conversion="../idpConvert_mu")})
    with pytest.raises(PluginTrouble, match="no plain name"):
        await _ingest(replace(context, settings=settings))


async def test_changed_products_are_not_mixed_with_an_old_conversion(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    await _ingest(context)
    source = min((context.tree.sci / PSEUDO).glob("*.fits"))
    source.touch()
    with pytest.raises(DfosError, match="have changed since"):
        await _ingest(context)


class PowerCut(BaseException):
    pass


def test_a_conversion_that_is_cut_at_any_call_is_whole_or_absent(tmp_path: Path) -> None:
    template = tmp_path / "template"
    context = asyncio.run(_moved(template))
    context.db.close()
    calls: list[str] = []
    done = 0
    for at in range(1, 100):
        root = tmp_path / "cut"
        shutil.copytree(template, root, symlinks=True)

        def cut(verb: str, path: str, at: int = at) -> None:
            calls.append(verb)
            if len(calls) >= at:
                raise PowerCut

        context = release_context(root, archive=Archive(conversion="idpConvert_mu"))
        calls.clear()
        try:
            with fs.probed(cut):
                asyncio.run(_ingest(context))
            done = at
        except PowerCut:
            left = context.tree.sci / PSEUDO / "conv"
            assert not left.exists() or len(list(left.iterdir())) == 4
            assert asyncio.run(_ingest(context)).exit_code == 0
        assert len(list((context.tree.sci / PSEUDO / "conv").iterdir())) == 4
        assert not list(context.tree.sci.glob(".convert*"))
        context.db.close()
        shutil.rmtree(root)
        if done:
            break
    assert done > 20


@pytest.mark.row(109)
async def test_ancillary_names_get_the_next_free_number(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    archive = LocalArchive(context.tree.root / "archive", context.utc)
    for name in ("pst.png", "pst1.png"):
        other = context.tree.tmp / name
        other.write_text("another run's")
        await archive.store(other, fs.sha256(other))
    parked = await _ingest(context)
    question = parked.questions[0]
    assert [choice.key for choice in question.choices] == ["refuse", "suffix"] and "pst2.png" in question.choices[
        1
    ].label
    assert len(parked.confirmed) == 2 and parked.exit_code == 3
    operator = keen(ingest__duplicate="suffix")
    result = await _ingest(replace(context, operator=operator))
    assert result.exit_code == 0
    receipt = IngestStates(context.db, "SCIENCE", PSEUDO).items()["pst.png"].receipt
    assert receipt is not None and receipt.file_id == "pst2.png" and await archive.confirms(receipt, deep=True)
    logged = ingest_log(context.tree, "SCIENCE", PSEUDO)[-1]
    assert logged.name == "pst.png" and logged.ingested and logged.result == "INGESTED as pst2.png"


async def test_many_taken_names_are_one_question(tmp_path: Path) -> None:
    many = GOOD + "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i > conv/n$i.png; done\n"
    context = await _moved(tmp_path, many)
    archive = LocalArchive(context.tree.root / "archive", context.utc)
    for number in range(1, 13):
        other = context.tree.tmp / f"n{number}.png"
        other.write_text("other")
        await archive.store(other, fs.sha256(other))
    parked = await _ingest(context)
    assert len(parked.questions) == 1 and len(parked.questions[0].details) == 12
    assert (await _ingest(replace(context, operator=keen(ingest__duplicate="suffix")))).exit_code == 0
    receipts = [item.receipt for item in IngestStates(context.db, "SCIENCE", PSEUDO).items().values()]
    assert len({receipt.file_id for receipt in receipts if receipt}) == len(receipts) == 15


@pytest.mark.row(105)
async def test_both_generations_of_the_log_are_read(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    (context.tree.lst / f"list_ingest_{PSEUDO}.txt").write_text("a.fits of an older tool\n")
    await _ingest(context, convert=False)
    lines = ingest_log(context.tree, "SCIENCE", PSEUDO)
    assert lines[0].text == "a.fits of an older tool" and not lines[0].ingested
    assert (
        [line.ingested for line in lines[1:]] == [True, True] and lines[1].attempt == 1 and len(lines[1].sha256) == 64
    )


def test_any_name_can_be_read_back_from_the_log(tmp_path: Path) -> None:
    from engine.transfer.ingest.log import _logged, line_of

    for name in ("a b.fits", "a\nb.fits", "100%.fits", "é.fits", "MU_SCBD_1_2022-06-24T08:46:05.083_X.fits"):
        item = Item(name, 5, 0, "INGESTED", 1, "0" * 64)
        line = line_of(item, "2023-11-14T22:00:00", "INGESTED")
        assert "\n" not in line and _logged(line).name == name and _logged(line).ingested
