"""exportProducts against asyncssh's own server."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from config.export import Target
from engine import events as ev
from engine.context import Context
from engine.errors import DfosError, UsageTrouble
from engine.stores.orders import Order
from engine.transfer.export import delivery
from engine.transfer.export import queue as export_queue
from engine.transfer.export.export import export, ordered
from engine.transfer.export.queue import Call, Waiting, append, queued
from engine.workflows import tools
from tests.builders import record
from tests.exporting import DATE, GOES, Chroot, exporting, fill, keys, links, lost, public, tree, web_server

BIG = bytes(range(256)) * 20_000  # 5 MB


class Site:
    """A running web server, and an account that exports to it."""

    def __init__(self, root: Path, made: dict[str, asyncssh.SSHKey], server: Any) -> None:
        self.root, self.keys, self.server = root, made, server
        self.port = server.get_port()
        self.remote = root / "remote"
        self.release = self.remote / "tree" / "MUSE_DEEP"

    def account(self, **target: Any) -> Context:
        return exporting(self.root, self.port, public(self.keys["them"]), **target)

    def names(self, part: str, date: str = DATE) -> set[str]:
        return {path.name for path in (self.release / part / date).iterdir()}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = keys(tmp_path, "them", "us")
    async with web_server(tmp_path, made["them"], made["us"]) as server:
        yield Site(tmp_path, made, server)


@pytest.mark.row(34, 78, 80)
async def test_calib_sends_logs_and_plots_and_never_fits_hdr_ps(site: Site) -> None:
    context = site.account()
    append(context.tree, Call("CALIB", DATE))
    done = await export(context, "CALIB", DATE)
    assert done.exit_code == 0 and not done.queued, done.text
    assert {part: site.names(part) for part in GOES} == GOES
    sent = tree(site.release)
    for part, base in (("logs", context.tree.log), ("plots", context.tree.plt)):
        for name in GOES[part] - {"page.html"}:
            assert sent[f"{part}/{DATE}/{name}"] == (base / DATE / name).read_bytes()
    assert queued(context.tree) == []


@pytest.mark.row(78)
async def test_links_are_edited_for_the_server_and_originals_stay(site: Site) -> None:
    context = site.account()
    before = tree(context.tree.log)
    await export(context, "CALIB", DATE)
    page = (site.release / "logs" / DATE / "page.html").read_text()
    plot = f"../../plots/{DATE}/plot.png"
    assert links(page) == ["run.log", "more.log", plot, "#not-exported", "#not-exported", "http://www.eso.org/"]
    assert list(lost(site.release)) == []
    assert tree(context.tree.log) == before


@pytest.mark.row(79)
async def test_science_sends_logs_only(site: Site) -> None:
    context = site.account()
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 0
    assert site.names("logs") == GOES["logs"] and not (site.release / "plots").exists()
    assert "#not-exported" in links((site.release / "logs" / DATE / "page.html").read_text())[2]


async def test_links_to_what_an_earlier_export_brought_stay_alive(site: Site) -> None:
    context = site.account()
    await export(context, "CALIB", DATE)
    page = site.release / "logs" / DATE / "page.html"
    before = page.read_text()
    other = "2014-10-23"
    fill(context, other)
    source = context.tree.log / other / "back.html"
    source.write_text(f'<a href="../{DATE}/run.log">yesterday</a>')
    for date in (DATE, other):
        assert (await export(context, "SCIENCE", date)).exit_code == 0
    assert page.read_text() == before
    back = (site.release / "logs" / other / "back.html").read_text()
    assert links(back) == [f"../{DATE}/run.log"]
    assert [line for line in lost(site.release) if "back" in line] == []


@pytest.mark.row(81)
async def test_a_second_server_is_off_until_it_is_turned_on(site: Site) -> None:
    other = {"host": "127.0.0.1", "port": site.port, "user": "qc", "key": str(site.root / "us"), "directory": "www"}
    off = site.account(targets={"eso": Target(**other, enabled=False)})
    assert off.settings.export.active == ("qcweb",)
    done = await export(off, "CALIB", DATE)
    assert [outcome.target for outcome in done.outcomes] == ["qcweb"] and not (site.remote / "www").exists()
    on = off.settings.export.model_copy(update={"targets": {**off.settings.export.targets, "eso": Target(**other)}})
    context = Context(**{**_fields(off), "settings": off.settings.model_copy(update={"export": on})})
    done = await export(context, "CALIB", DATE)
    assert done.exit_code == 0 and {path.name for path in (site.remote / "www" / "MUSE_DEEP").iterdir()} == set(GOES)


def _fields(context: Context) -> dict[str, Any]:
    return {name: getattr(context, name) for name in Context.__dataclass_fields__}


@pytest.mark.row(81)
def test_no_server_is_configured_by_default() -> None:
    from tests.builders import make_settings

    assert make_settings().export.active == ()


async def test_what_is_equal_already_is_not_sent_again(site: Site) -> None:
    context = site.account(read_back_mb=0.01)
    (context.tree.log / DATE / "big.log").write_bytes(BIG)
    os.utime(
        context.tree.log / DATE / "page.html", (1_400_000_000, 1_400_000_000)
    )  # old enough to be known by its time
    first = await export(context, "CALIB", DATE)
    stamps = {path: path.stat().st_mtime_ns for path in site.release.rglob("*")}
    again = await export(context, "CALIB", DATE)
    assert (again.outcomes[0].sent, again.outcomes[0].there) == (0, first.outcomes[0].sent)
    context.db.execute("DELETE FROM exported")  # what was noted is lost: proven anew
    again = await export(context, "CALIB", DATE)
    assert again.outcomes[0].sent == 0
    assert stamps == {path: path.stat().st_mtime_ns for path in site.release.rglob("*")}
    (site.release / "logs" / DATE / "run.log").write_bytes(b"bad\n" * 100)  # same size
    (context.tree.log / DATE / "more.log").write_bytes(b"new\n")
    again = await export(context, "CALIB", DATE)
    assert again.outcomes[0].sent == 2
    assert (site.release / "logs" / DATE / "run.log").read_bytes() == b"log\n" * 100
    assert (site.release / "logs" / DATE / "more.log").read_bytes() == b"new\n"


async def test_names_that_are_awkward_arrive_as_they_are(site: Site) -> None:
    context = site.account()
    names = [
        "a b.log",
        "zwei\nZeilen.log",
        "größe.log",
        os.fsdecode(b"latin-\xe9.log"),
        "x" * 251 + ".log",
        "-rf",
        "$(id).log",
    ]
    for name in names:
        (context.tree.log / DATE / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 0, done.text
    assert site.names("logs") == {*GOES["logs"], *names}
    assert all((site.release / "logs" / DATE / name).read_bytes() == os.fsencode(name) for name in names)


async def test_what_is_never_sent_is_reported(site: Site, tmp_path: Path) -> None:
    context = site.account()
    log = context.tree.log / DATE
    (tmp_path / "secret").write_text("secret")
    (context.tree.config / "id").write_text("private")
    (log / ".hidden.log").write_text("x")
    (log / "folder.log").mkdir()
    (log / "folder.log" / "inner.log").write_text("x")
    (log / "out.log").symlink_to(tmp_path / "secret")
    (log / "key.log").symlink_to(context.tree.config / "id")
    (log / "gone.log").symlink_to("nowhere")
    (log / "disguise.log").symlink_to(log / "r.fits")
    (log / "alias.log").symlink_to("run.log")
    os.mkfifo(log / "pipe.log")
    events = record(context)
    done = await export(context, "SCIENCE", DATE)
    assert site.names("logs") == {*GOES["logs"], "alias.log"}
    told = {path.name: why for path, why in done.refused}
    assert set(told) == {".hidden.log", "folder.log", "out.log", "key.log", "gone.log", "pipe.log"}
    assert "leaves the account" in told["out.log"] and "configuration" in told["key.log"]
    notices = [event.text for event in events if isinstance(event, ev.Notice) and event.level == "warning"]
    assert len(notices) == len(told) and all(any(name in text for text in notices) for name in told)


async def test_a_directory_in_place_of_a_file_is_this_files_error(site: Site) -> None:
    context = site.account()
    (site.release / "logs" / DATE / "run.log").mkdir(parents=True)
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 1 and [name for name, _ in done.outcomes[0].failed] == [f"logs/{DATE}/run.log"]
    assert site.names("logs") == GOES["logs"] and done.queued


async def test_a_link_out_of_the_tree_on_the_server_is_not_followed(site: Site) -> None:
    context = site.account()
    (site.remote / "elsewhere").mkdir()
    (site.release / "logs").mkdir(parents=True)
    (site.release / "logs" / DATE).symlink_to(site.remote / "elsewhere")
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and not list((site.remote / "elsewhere").iterdir())


async def test_a_link_in_place_of_a_file_is_replaced_not_followed(site: Site) -> None:
    context = site.account()
    victim = site.remote / "victim"
    victim.write_text("mine")
    (site.release / "logs" / DATE).mkdir(parents=True)
    (site.release / "logs" / DATE / "run.log").symlink_to(victim)
    assert (await export(context, "SCIENCE", DATE)).exit_code == 0
    assert victim.read_text() == "mine" and not (site.release / "logs" / DATE / "run.log").is_symlink()


# --- interrupted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [False, True])
async def test_an_interrupted_upload_goes_on_where_it_was(
    site: Site, damage: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = site.account(parallel=1)
    big = context.tree.log / DATE / "a-big.log"
    big.write_bytes(BIG)
    ended: list[int] = []

    def cut(stamped: ev.Stamped) -> None:
        event = stamped.event
        if isinstance(event, ev.Progressed) and not ended and float(event.text.split()[1]) > 3:
            ended.append(1)
            site.server.close()
            for connection in site.server.met:
                connection.abort()

    context.bus.subscribe(cut)
    broken = await export(context, "SCIENCE", DATE)
    assert broken.exit_code == 16 and broken.queued and "broke" in broken.outcomes[0].trouble
    logs = site.release / "logs" / DATE
    (part,) = logs.iterdir()
    assert part.name.startswith(".a-big.log.dfos~") and 0 < part.stat().st_size < len(BIG)
    if damage:
        with part.open("r+b") as file:
            file.seek(1_500_000)
            file.write(b"rot")
    written: list[int] = []
    real = delivery.Sftp.write

    async def counted(self: Any, file: Any, offset: int, data: bytes) -> None:
        written.append(offset) if len(data) > 1000 else None
        await real(self, file, offset, data)

    monkeypatch.setattr(delivery.Sftp, "write", counted)
    async with web_server(site.root, site.keys["them"], site.keys["us"], port=site.port):
        done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 0 and not done.queued
    assert (logs / "a-big.log").read_bytes() == BIG
    assert min(written) == delivery.BLOCK if damage else min(written) >= 2 * delivery.BLOCK
    assert not [path for path in logs.iterdir() if path.name.startswith(".")]


async def test_what_an_interrupted_upload_of_another_version_left_goes(site: Site) -> None:
    context = site.account()
    logs = site.release / "logs" / DATE
    logs.mkdir(parents=True)
    (logs / ".run.log.dfos~00000000").write_bytes(b"old")
    (logs / ".foreign.dfos~00000000").write_bytes(b"not ours")
    (logs / "stranger.log").write_bytes(b"old")
    done = await export(context, "SCIENCE", DATE)
    assert site.names("logs") == {*GOES["logs"], ".foreign.dfos~00000000", "stranger.log"}
    assert done.outcomes[0].strangers == (f"logs/{DATE}/stranger.log",)


async def test_a_file_that_changes_on_its_way_is_not_published(site: Site) -> None:
    context = site.account(parallel=1)
    big = context.tree.log / DATE / "a-big.log"
    big.write_bytes(BIG)

    def change(stamped: ev.Stamped) -> None:
        if isinstance(stamped.event, ev.Progressed) and big.stat().st_size == len(BIG):
            big.write_bytes(BIG + b"more")

    leave = context.bus.subscribe(change)
    append(context.tree, Call("SCIENCE", DATE))
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 1 and "changed" in done.outcomes[0].failed[0][1] and done.queued
    assert site.names("logs") == GOES["logs"]
    leave()
    assert (await export(context, "SCIENCE", DATE)).exit_code == 0
    assert (site.release / "logs" / DATE / "a-big.log").read_bytes() == BIG + b"more"


async def test_what_comes_while_it_is_exported_keeps_the_call_queued(site: Site) -> None:
    context = site.account()
    append(context.tree, Call("SCIENCE", DATE))
    late = context.tree.log / DATE / "late.log"
    context.bus.subscribe(lambda stamped: isinstance(stamped.event, ev.Progressed) and late.write_text("late"))
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 0 and done.queued and queued(context.tree) == [Call("SCIENCE", DATE)]


# --- servers that will not -------------------------------------------------------------------------------


class Full(Chroot):
    """A server whose disk takes 2 MB."""

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if offset + len(data) > 2_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(file_obj, offset, data)  # type: ignore[return-value]

    def statvfs(self, path: bytes) -> asyncssh.SFTPVFSAttrs:
        return asyncssh.SFTPVFSAttrs(bsize=512, frsize=512, blocks=4000, bfree=10, bavail=10)


class Old(Chroot):
    """A server that knows none of OpenSSH's extensions."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("no")

    def fsync(self, file_obj: object) -> None:
        raise asyncssh.SFTPOpUnsupported("no")


class Rotten(Chroot):
    """A server that writes something else."""

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        return super().write(file_obj, offset, data.replace(b"log", b"rot"))  # type: ignore[return-value]


async def _at(kind: type[Chroot], root: Path, **target: Any) -> tuple[Any, Context]:
    made = keys(root, "them", "us")
    async with web_server(root, made["them"], made["us"], sftp=kind) as server:
        context = exporting(root, server.get_port(), public(made["them"]), **target)
        (context.tree.log / DATE / "a-big.log").write_bytes(BIG)
        return await export(context, "SCIENCE", DATE), context


async def test_a_full_disk_there_ends_the_export_and_says_so(tmp_path: Path) -> None:
    done, _ = await _at(Full, tmp_path, parallel=1)
    assert done.exit_code == 16 and "disk is full" in done.outcomes[0].trouble and done.queued
    names = {path.name for path in (tmp_path / "remote/tree/MUSE_DEEP/logs" / DATE).iterdir()}
    assert len(names) == 1 and names.pop().startswith(".a-big.log.dfos~")


async def test_a_server_without_extensions_gets_whole_files_too(tmp_path: Path) -> None:
    done, context = await _at(Old, tmp_path)
    assert done.exit_code == 0, done.text
    logs = tmp_path / "remote/tree/MUSE_DEEP/logs" / DATE
    assert {path.name for path in logs.iterdir()} == {*GOES["logs"], "a-big.log"}
    proofs = dict(context.db.execute("SELECT CAST(remote AS TEXT), proof FROM exported"))
    assert set(proofs.values()) == {"sha256"}


async def test_what_arrives_damaged_never_gets_its_name(tmp_path: Path) -> None:
    done, _ = await _at(Rotten, tmp_path)
    assert done.exit_code == 1
    assert {name for name, _ in done.outcomes[0].failed} == {f"logs/{DATE}/{name}" for name in ("run.log", "page.html")}
    assert {path.name for path in (tmp_path / "remote/tree/MUSE_DEEP/logs" / DATE).iterdir()} == {
        "a-big.log",
        "more.log",
        "empty.log",
    }


async def test_large_files_are_proven_by_size_and_say_so(site: Site) -> None:
    context = site.account(read_back_mb=1)
    (context.tree.log / DATE / "big.log").write_bytes(BIG)
    await export(context, "SCIENCE", DATE)
    proofs = dict(context.db.execute("SELECT CAST(remote AS TEXT), proof FROM exported"))
    assert proofs.pop(f"logs/{DATE}/big.log") == "size" and set(proofs.values()) == {"sha256"}


# --- who is there ------------------------------------------------------------------------------------------


@pytest.mark.row(435)
async def test_an_unknown_host_key_is_refused_before_anything_is_sent(site: Site) -> None:
    context = exporting(site.root, site.port, "")
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and "not known" in done.outcomes[0].trouble
    assert "dfos hostkey add [127.0.0.1]" in done.outcomes[0].trouble and not list(site.remote.iterdir())


@pytest.mark.row(435)
@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
async def test_a_changed_host_key_is_refused(site: Site, kind: str) -> None:
    other = asyncssh.generate_private_key(kind)
    context = exporting(site.root, site.port, public(other))
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and "not the one that is known" in done.outcomes[0].trouble
    assert other.get_fingerprint() in done.outcomes[0].trouble and not list(site.remote.iterdir())


async def test_a_known_hosts_that_others_may_write_is_not_believed(site: Site) -> None:
    context = site.account()
    (context.tree.config / "known_hosts").chmod(0o664)
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and "others may write" in done.outcomes[0].trouble


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
async def test_a_key_that_others_can_read_is_refused(site: Site, mode: int) -> None:
    context = site.account()
    (site.root / "us").chmod(mode)
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and f"mode {mode:04o}" in done.outcomes[0].trouble
    secret = (site.root / "us").read_text().split("\n")[1]
    assert secret not in done.text and not list(site.remote.iterdir())


async def test_a_key_with_a_passphrase_or_none_at_all_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.keys["us"].write_private_key(site.root / "us", "pkcs8-pem", passphrase="words")  # noqa: S106
    context = site.account()
    assert "passphrase" in (await export(context, "SCIENCE", DATE)).outcomes[0].trouble
    (site.root / "us").write_text("nothing of the sort")
    assert "no private key" in (await export(context, "SCIENCE", DATE)).outcomes[0].trouble
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "no agent" in (await export(site.account(key=""), "SCIENCE", DATE)).outcomes[0].trouble


async def test_a_key_that_the_server_does_not_know_is_said(site: Site) -> None:
    keys(site.root, "other")
    done = await export(site.account(key=str(site.root / "other")), "SCIENCE", DATE)
    assert done.exit_code == 16 and "does not let us in" in done.outcomes[0].trouble


async def test_a_server_that_is_down_leaves_the_export_queued(tmp_path: Path) -> None:
    made = keys(tmp_path, "them", "us")
    async with web_server(tmp_path, made["them"], made["us"]) as server:
        port = server.get_port()
    now = [1_700_000_000.0]
    context = exporting(tmp_path, port, public(made["them"]), clock=lambda: now[0])
    for tries in (1, 2, 3):
        done = await export(context, "CALIB", DATE)
        assert done.exit_code == 16 and done.queued and "cannot be reached" in done.text
        waits = Waiting(context.db).of(Call("CALIB", DATE))
        assert (waits.tries, waits.when) == (tries, "2023-11-14T22:13:20") and "cannot be reached" in waits.why
        assert waits.until == now[0] + 60 * 2 ** (tries - 1)
    assert export_queue.file_of(context.tree).read_text() == f"exportProducts -m CALIB -d {DATE}\n"
    async with web_server(tmp_path, made["them"], made["us"], port=port):
        assert (await export(context, "CALIB", DATE)).exit_code == 0
    assert queued(context.tree) == [] and Waiting(context.db).of(Call("CALIB", DATE)).tries == 0


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    made = keys(tmp_path, "them", "us")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        done = await export(exporting(tmp_path, port, public(made["them"]), timeout_s=0.3), "SCIENCE", DATE)
    assert done.exit_code == 16 and "no answer in time" in done.outcomes[0].trouble


@pytest.mark.row(29)
async def test_the_way_leads_over_a_jump_host_whose_key_is_verified_too(site: Site) -> None:
    gate = keys(site.root, "gate")["gate"]
    came: list[tuple[str, int]] = []

    class Gate(asyncssh.SSHServer):
        def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
            came.append((dest_host, dest_port))
            return True

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[gate],
        authorized_client_keys=asyncssh.import_authorized_keys(public(site.keys["us"])),
        server_factory=Gate,
    )
    context = site.account(jump=(f"qc_shift@127.0.0.1:{server.get_port()}",), user="preimg")
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 16 and f"[127.0.0.1]:{server.get_port()} is not known" in done.outcomes[0].trouble
    with (context.tree.config / "known_hosts").open("a") as file:
        file.write(f"[127.0.0.1]:{server.get_port()} {public(gate)}\n")
    done = await export(context, "SCIENCE", DATE)
    assert done.exit_code == 0 and came == [("127.0.0.1", site.port)]
    assert site.names("logs") == GOES["logs"]
    server.close()
    await server.wait_closed()


# --- calls -------------------------------------------------------------------------------------------------


async def test_the_tool_can_be_ordered(site: Site) -> None:
    context = site.account()
    done = await tools.ordered(context, Order("SCIENCE", DATE, tool="exportProducts"), {})
    assert done.exit_code == 0 and "4 files sent" in done.text
    done = await ordered(context, Order("SCIENCE", DATE, tool="exportProducts", options={"target": "qcweb"}), {})
    assert "4 there already" in done.text


async def test_wrong_calls(site: Site, tmp_path: Path) -> None:
    context = site.account()
    for call, words in (
        ((context, "SCIENCE", DATE, "nobody"), "no web server 'nobody'"),
        ((context, "GEN", DATE), "MODE"),
    ):
        with pytest.raises(UsageTrouble, match=words):
            await export(*call)
    with pytest.raises(DfosError, match="nothing to export"):
        await export(context, "SCIENCE", "2014-10-30")
    append(context.tree, Call("SCIENCE", "2014-10-30"))
    with pytest.raises(DfosError, match="nothing to export"):
        await export(context, "SCIENCE", "2014-10-30")
    assert queued(context.tree) == [Call("SCIENCE", "2014-10-30")]


async def test_progress_tells_files_bytes_and_ends_whole(site: Site) -> None:
    context = site.account()
    events = record(context)
    await export(context, "CALIB", DATE)
    last = [event for event in events if isinstance(event, ev.Progressed)][-1]
    assert (last.phase, last.done, last.of) == ("export", 6, 6) and "MB" in last.text
