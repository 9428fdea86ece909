"""exportProducts against OpenSSH's own server on this machine."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from engine import events as ev
from engine.transfer.export.export import export
from engine.transfer.export.queue import Call, queued
from tests.exporting import DATE, GOES, lost, public, tree
from tests.sshd import ME, Site, serving

pytestmark = pytest.mark.real("sshd")
BIG = bytes(range(256)) * 120_000  # 31 MB


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        yield made


@pytest.mark.row(34, 78, 79, 80, 435)
async def test_the_tree_on_the_server_is_the_selection_and_its_links_resolve(site: Site) -> None:
    context = site.account()
    odd = ["a b.log", "zwei\nZeilen.log", "größe.log", os.fsdecode(b"latin-\xe9.log")]
    for name in odd:
        (context.tree.log / DATE / name).write_text("x")
    done = await export(context, "CALIB", DATE)
    assert done.exit_code == 0, done.text
    assert site.names("logs") == {*GOES["logs"], *odd} and site.names("plots") == GOES["plots"]
    assert list(lost(site.release)) == []
    for name in {*GOES["logs"], *odd} - {"page.html"}:
        assert (site.release / "logs" / DATE / name).read_bytes() == (context.tree.log / DATE / name).read_bytes()
    before = tree(site.release)
    again = await export(context, "SCIENCE", DATE)
    assert again.outcomes[0].sent == 0 and tree(site.release) == before


@pytest.mark.row(29)
async def test_the_way_through_a_gate(site: Site) -> None:
    gate = site.another("gate", f"PermitOpen 127.0.0.1:{site.server.port}")
    try:
        context = site.account(jump=(f"{ME.pw_name}@127.0.0.1:{gate.port}",))
        with (context.tree.config / "known_hosts").open("a") as file:
            file.write(f"[127.0.0.1]:{gate.port} {public(site.keys['gate'])}\n")
        done = await export(context, "SCIENCE", DATE)
        assert done.exit_code == 0, done.text
        assert site.names("logs") == GOES["logs"] and "direct-tcpip" in gate.log.read_text()
    finally:
        gate.close()


@pytest.mark.parametrize("known", ["", "another"])
async def test_a_host_key_that_is_not_known_or_was_changed_is_refused(site: Site, known: str) -> None:
    context = site.account()
    file = context.tree.config / "known_hosts"
    if known:
        other = public(asyncssh.generate_private_key("ssh-ed25519"))
        file.write_text(f"[127.0.0.1]:{site.server.port} {other}\n")
    else:
        file.unlink()
    done = await export(context, "SCIENCE", DATE)
    words = "not the one that is known" if known else "is not known"
    assert done.exit_code == 16 and done.queued and words in done.outcomes[0].trouble
    assert not site.remote.exists() and "Accepted" not in site.server.log.read_text()


async def test_a_key_that_others_can_read_is_never_offered(site: Site) -> None:
    (site.place / "us").chmod(0o644)
    done = await export(site.account(), "SCIENCE", DATE)
    assert done.exit_code == 16 and "others can read the key" in done.outcomes[0].trouble
    assert "publickey" not in site.server.log.read_text()


async def test_an_upload_cut_in_the_middle_goes_on_and_is_whole(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    context = site.account(parallel=1)
    (context.tree.log / DATE / "a-big.log").write_bytes(BIG)
    killed: list[int] = []

    def cut(stamped: ev.Stamped) -> None:
        event = stamped.event
        if isinstance(event, ev.Progressed) and not killed and float(event.text.split()[1]) > 12:
            killed.append(site.server.cut())

    context.bus.subscribe(cut)
    done = await export(context, "SCIENCE", DATE)
    assert killed and done.exit_code == 16 and done.queued and "broke" in done.outcomes[0].trouble
    await asyncio.sleep(0)
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"], "nothing on the terminal"
    logs = site.release / "logs" / DATE
    (part,) = logs.iterdir()
    there = part.stat().st_size
    assert part.name.startswith(".a-big.log.dfos~") and 12_000_000 < there < len(BIG)
    began = part.stat().st_ino
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 0 and not done.queued, done.text
    assert (logs / "a-big.log").read_bytes() == BIG and (logs / "a-big.log").stat().st_ino == began
    assert site.names("logs") == {*GOES["logs"], "a-big.log"}


async def test_a_server_that_falls_silent_is_given_up_and_gone_on_with(site: Site) -> None:
    context = site.account(parallel=1, timeout_s=15.0)
    (context.tree.log / DATE / "a-big.log").write_bytes(BIG)
    stopped: list[int] = []

    def silence(stamped: ev.Stamped) -> None:
        event = stamped.event
        if isinstance(event, ev.Progressed) and not stopped and float(event.text.split()[1]) > 12:
            stopped.append(site.server.silence())

    context.bus.subscribe(silence)
    done = await export(context, "SCIENCE", DATE)
    assert stopped and done.exit_code == 16 and done.queued, done.text
    site.server.cut()
    assert (await export(context, "SCIENCE", DATE)).exit_code == 0
    assert (site.release / "logs" / DATE / "a-big.log").read_bytes() == BIG


async def test_a_server_that_is_down_and_comes_back(site: Site) -> None:
    site.server.stop()
    context = site.account()
    done = await export(context, "CALIB", DATE)
    assert done.exit_code == 16 and "cannot be reached" in done.outcomes[0].trouble
    assert queued(context.tree) == [Call("CALIB", DATE)]
    site.server.restart()
    assert (await export(context, "CALIB", DATE)).exit_code == 0 and queued(context.tree) == []


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """A disk of 4 MB on the web server."""
    site.remote.mkdir()
    mounted = (
        os.getuid() == 0
        and subprocess.run(
            [shutil.which("mount") or "/bin/mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(site.remote)],
            capture_output=True,
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("no small file system can be mounted here; the same is shown with asyncssh's server")
    try:
        yield site.remote
    finally:
        # Lazily: what served the files may just be ending.
        subprocess.run([shutil.which("umount") or "/bin/umount", "-l", str(site.remote)], check=True)


async def test_a_full_disk_on_the_server(site: Site, small_disk: Path) -> None:
    context = site.account(parallel=1)
    (context.tree.log / DATE / "a-big.log").write_bytes(BIG[: 8 << 20])
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and done.queued and "disk is full" in done.outcomes[0].trouble
    assert [path.name for path in (site.release / "logs" / DATE).iterdir() if path.name[0] != "."] == []


@pytest.mark.row(31)
async def test_files_go_one_way_and_come_the_other(site: Site) -> None:
    """What two machines exchange: RUN_TYPE.txt there, DEEP_MODE.txt back, over one login."""
    from engine.transfer.export.delivery import deliver, opened
    from engine.transfer.export.plan import Upload
    from engine.transfer.export.server import access
    from engine.transfer.export.sftp import connected

    context = site.account()
    ours = context.tree.config / "RUN_TYPE.txt"
    ours.write_text("094.A-0116B DEEP\n")
    site.remote.mkdir()
    (site.remote / "DEEP_MODE.txt").write_text("DEEP\n")
    status = ours.stat()
    upload = Upload(ours, ours, ours.name, status.st_size, status.st_mtime_ns)
    target = context.settings.export.targets["qcweb"]
    folder = os.fsencode(site.remote)
    async with connected(*access(context.settings, context.tree, target)) as sftp:
        async with opened(upload, lambda html, _: (html, ())) as content:
            _, proof = await deliver(sftp, content, folder, b"RUN_TYPE.txt", {}, 0, 1000, lambda count: None)
        async with sftp.reading(folder + b"/DEEP_MODE.txt") as file:
            back = await sftp.read(file, 0, 1000)
    assert proof == "sha256" and (site.remote / "RUN_TYPE.txt").read_bytes() == ours.read_bytes()
    assert back == b"DEEP\n"


async def test_what_our_own_tasks_leave_is_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    done = await export(site.account(), "SCIENCE", DATE)
    assert done.exit_code == 0

    async def wrong() -> None:
        raise ZeroDivisionError("ours")

    task = asyncio.ensure_future(wrong())
    await asyncio.wait([task])
    # As asyncio does when nobody has asked for it and it is collected.
    left = {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
    asyncio.get_running_loop().call_exception_handler(left)
    assert any("never retrieved" in record.getMessage() for record in caplog.records)
