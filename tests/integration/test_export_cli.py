"""`dfos export` and `dfos hostkey`, as cron meets them: real processes, an empty environment, no terminal."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from config.tree import DIRECTORIES
from console.account import open_tree
from engine.transfer.export.queue import Call, append, queued
from tests.exporting import DATE, keys, public, tree, web_server

PAGE = '<a href="run.log">log</a>'


@dataclass
class Site:
    root: Path
    port: int
    keys: dict[str, asyncssh.SSHKey]

    @property
    def account(self) -> Path:
        return self.root / "account"

    async def dfos(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Standard output and error of a command, which must end with `code`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "console", *words, "--root", str(self.account)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        out, err = await asyncio.wait_for(process.communicate(), 180)
        assert process.returncode == code, err.decode()
        return out.decode(), err.decode()


def build(root: Path, port: int) -> None:
    """An account with a log and a page, and a web server in its configuration."""
    account = root / "account"
    names = {name: name.lower() for name in DIRECTORIES}
    for name in names.values():
        (account / name).mkdir(parents=True)
    (account / ".dfosrc").write_text("".join(f"export {name}=$DFOS_ROOT/{path}\n" for name, path in names.items()))
    (account / "dfo_config_dir" / "dfos.yaml").write_text(
        f"profile: MUSE_DEEP\nprocess: {{pipeline: stand-in}}\nexport:\n  retry_s: 3000.0\n  targets:\n    qcweb:\n"
        f"      host: 127.0.0.1\n      port: {port}\n      user: qc\n      directory: tree\n"
        f"      key: {root}/us\n      timeout_s: 180.0\n"
    )
    log = account / "dfo_log_dir" / DATE
    log.mkdir()
    (log / "run.log").write_text("log\n")
    (log / "page.html").write_text(PAGE)
    (log / ".hidden").write_text("x")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = keys(tmp_path, "them", "us")
    async with web_server(tmp_path, made["them"], made["us"]) as server:
        build(tmp_path, server.get_port())
        yield Site(tmp_path, server.get_port(), made)


@pytest.mark.row(433, 435)
async def test_from_an_unknown_host_to_files_on_the_server(site: Site) -> None:
    where = f"[127.0.0.1]:{site.port}"
    out, _ = await site.dfos("export", "-m", "SCIENCE", "-d", DATE, "--dry-run", code=16)
    assert f"host key of {where} is not known" in out and "would get 2 files" in out
    shown, err = await site.dfos("hostkey", "add", "qcweb", code=3)
    right = site.keys["them"].get_fingerprint()
    assert right in shown and f"--fingerprint {right}" in err
    assert (await site.dfos("hostkey", "list"))[0] == "no host key is known\n"
    wrong = asyncssh.generate_private_key("ssh-ed25519").get_fingerprint()
    _, err = await site.dfos("hostkey", "add", "qcweb", "--auto", "--fingerprint", wrong, code=16)
    assert "not the fingerprint that was given" in err
    await site.dfos("hostkey", "add", where, "--fingerprint", right)
    known = json.loads((await site.dfos("hostkey", "list", "--json"))[0])
    assert known == [{"host": where, "kind": "ssh-ed25519", "fingerprint": right}]
    before = tree(site.root / "remote")
    found = json.loads((await site.dfos("export", "-m", "SCIENCE", "-d", DATE, "--dry-run", "--json"))[0])
    assert found[0]["targets"][0]["trouble"] == "" and len(found[0]["targets"][0]["lacks"]) == 2
    assert [entry["why"] for entry in found[0]["refused"]] == ["hidden"]
    assert tree(site.root / "remote") == before == {}, "a dry run changes nothing"
    assert not open_tree(site.account, {"HOME": "/"}).journal.exists()
    _, err = await site.dfos("export", "-m", "SCIENCE", "-d", DATE)
    assert "2 files sent" in err and "never sent" in err
    assert set(tree(site.root / "remote")) == {
        f"tree/MUSE_DEEP/logs/{DATE}/{name}" for name in ("page.html", "run.log")
    }
    out, _ = await site.dfos("export", "-m", "SCIENCE", "-d", DATE, "--dry-run")
    assert "would get 0 files" in out
    await site.dfos("hostkey", "remove", "qcweb")
    assert "is not known" in (await site.dfos("export", "-m", "SCIENCE", "-d", DATE, code=16))[1]


async def test_the_queue_is_worked_off_and_what_is_not_due_waits(site: Site) -> None:
    tree_ = open_tree(site.account, {"HOME": "/"})
    assert (await site.dfos("export"))[0] == "nothing waits\n"
    call = Call("SCIENCE", DATE)
    append(tree_, call)
    await site.dfos("export", "--json", code=16)
    assert queued(tree_) == [call]
    out, _ = await site.dfos("export")
    assert out.startswith(f"SCIENCE {DATE} waits until") and "tried 1 times" in out and "not known" in out
    await site.dfos("export", "--all", code=16)
    await site.dfos("hostkey", "add", "qcweb", "--fingerprint", site.keys["them"].get_fingerprint())
    events = [json.loads(line) for line in (await site.dfos("export", "--all", "--json"))[0].splitlines()]
    assert events[-1]["event"] == "RunEnded" and events[-1]["exit_code"] == 0
    assert any(event["event"] == "Progressed" and event["phase"] == "export" for event in events)
    assert queued(tree_) == []


async def test_an_unknown_server_is_usage_though_nothing_is_due(tmp_path: Path) -> None:
    build(tmp_path, 9)
    site = Site(tmp_path, 9, {})
    _, err = await site.dfos("export", "--target", "nosuch", code=2)
    assert "no web server 'nosuch'" in err and "qcweb" in err


@pytest.mark.parametrize(
    "words",
    [
        ["export", "-m", "SCIENCE"],
        ["export", "--all", "-m", "SCIENCE", "-d", DATE],
        ["export", "-m", "GEN", "-d", DATE, "--dry-run"],
        ["export", "-m", "SCIENCE", "-d", "yesterday"],
        ["export", "-m", "SCIENCE", "-d", DATE, "--target", "nobody"],
        ["hostkey", "add"],
        ["hostkey", "add", "somewhere.example.org"],
        ["hostkey", "remove", "qcweb"],
        ["hostkey", "list", "qcweb"],
    ],
)
async def test_wrong_calls_are_usage(tmp_path: Path, words: list[str]) -> None:
    build(tmp_path, 2222)
    await Site(tmp_path, 2222, {}).dfos(*words, code=2)


@pytest.mark.row(29)
async def test_the_key_of_a_server_behind_a_gate_is_fetched_through_it(site: Site) -> None:
    gate = keys(site.root, "gate")["gate"]
    asked: list[Any] = []

    class Gate(asyncssh.SSHServer):
        def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
            asked.append(dest_port)
            return True

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[gate],
        authorized_client_keys=asyncssh.import_authorized_keys(public(site.keys["us"])),
        server_factory=Gate,
    )
    way = f"qc_shift@127.0.0.1:{server.get_port()}"
    config = site.account / "dfo_config_dir" / "dfos.yaml"
    config.write_text(config.read_text() + f'      jump: ["{way}"]\n')
    prints = [key.get_fingerprint() for key in (gate, site.keys["them"])]
    out, _ = await site.dfos("hostkey", "add", "qcweb", "--fingerprint", prints[0], "--fingerprint", prints[1])
    assert out.count("is trusted now") == 2 and asked == [site.port]
    await site.dfos("export", "-m", "SCIENCE", "-d", DATE)
    assert (site.root / "remote/tree/MUSE_DEEP/logs" / DATE / "run.log").is_file()
    server.close()
    await server.wait_closed()
