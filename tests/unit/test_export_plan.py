"""What goes to the web servers, what does not, and which hosts are trusted; all on paper."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigTrouble
from config.export import hop
from config.load import load
from engine.errors import DfosError
from engine.transfer.export import host_keys
from engine.transfer.export.delivery import left_over, partial
from engine.transfer.export.host_keys import Hop, Key, RemoteTrouble
from engine.transfer.export.plan import Seen, plan, shown, survey
from engine.transfer.export.queue import Call, append, file_of, queued, remove
from engine.transfer.export.sftp import There
from tests.builders import make_tree

DATE = "2014-10-22"
KEY = Key("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIGq0ZmFpbHVyZSBpcyBub3QgYW4gb3B0aW9uIQ==")
OTHER = Key("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIGZhaWx1cmUgaXMgYW4gb3B0aW9uIGluIHRlc3Q=")


def seen(part: str, *names: str) -> list[Seen]:
    return [Seen(part, Path("/a") / name, Path("/a") / name, 1, 1) for name in names]


@pytest.mark.row(80)
@pytest.mark.parametrize(
    "name",
    ["a.fits", "a.FITS", "a.fits.fz", "a.fits.gz", "a.fit", "a.hdr", "a.HDR", "a.hdr.gz", "a.ps", "a.ps.gz", "x.y.Ps"],
)
def test_fits_hdr_and_ps_never_go(name: str) -> None:
    for part in ("logs", "plots"):
        made = plan("CALIB", DATE, seen(part, name, "good.log"))
        assert [file.path.name for file in made.files] == ["good.log"] and made.stay == 1


@pytest.mark.parametrize("name", ["fits.log", "a.fits.log", "ps", "hdr", "maps.txt", "a.psx", "a.html"])
def test_names_that_only_look_like_it_do_go(name: str) -> None:
    assert [file.remote for file in plan("CALIB", DATE, seen("logs", name)).files] == [f"logs/{DATE}/{name}"]


@pytest.mark.row(79)
@given(st.lists(st.tuples(st.sampled_from(["logs", "plots"]), st.text("ab.fitshdrp\n é", min_size=1, max_size=9))))
def test_no_name_gets_out_of_its_place(names: list[tuple[str, str]]) -> None:
    entries = [entry for part, name in names if name not in (".", "..") for entry in seen(part, name)]
    for mode, parts in (("CALIB", ("logs", "plots")), ("SCIENCE", ("logs",))):
        made = plan(mode, DATE, entries)
        for file in made.files:
            assert file.remote.startswith(tuple(f"{part}/{DATE}/" for part in parts)) and file.remote.count("/") == 2
            assert not file.path.name.startswith(".")
        counted = len(made.files) + len(made.refused) + made.stay
        assert counted == sum(entry.part in parts for entry in entries)


def test_a_date_directory_that_is_a_way_out_is_refused(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tmp_path / "outside").mkdir()
    (tree.log / DATE).symlink_to(tmp_path / "outside")
    with pytest.raises(DfosError, match="leaves the account"):
        survey(tree, "SCIENCE", DATE)


def test_names_are_shown_as_text() -> None:
    assert shown(os.fsdecode(b"a\xe9\n\x1b[2J")) == "a\\xe9\\n\\x1b[2J"


# --- hidden names -----------------------------------------------------------------------------------------


def test_hidden_names_fit_and_are_found_again() -> None:
    there = There(1, 1, 0o100644)
    for name in (b"a.log", b"x" * 255, b"\xff\n.log"):
        hidden = partial(name, "ab" * 32)
        assert len(hidden) <= 255 and hidden.startswith(b".") and hidden.endswith(b".dfos~abababab")
        assert left_over({hidden: there, name: there}, {name}) == [hidden]
        assert left_over({hidden: there}, {b"other"}) == []


# --- the queue --------------------------------------------------------------------------------------------


def test_identical_calls_collapse_and_other_lines_stay(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    append(tree, Call("CALIB", DATE))
    with file_of(tree).open("a") as file:
        file.write("# a note\nexportProducts  -m CALIB -d 2014-10-22\nexportProducts -m GEN -d 2014-10-22\n")
    append(tree, Call("CALIB", DATE))
    append(tree, Call("SCIENCE", DATE))
    assert queued(tree) == [Call("CALIB", DATE), Call("SCIENCE", DATE)]
    assert not remove(tree, Call("CALIB", DATE), unless=lambda: True)
    assert remove(tree, Call("CALIB", DATE)) and not remove(tree, Call("CALIB", DATE))
    assert file_of(tree).read_text().splitlines() == [
        "# a note",
        "exportProducts -m GEN -d 2014-10-22",
        "exportProducts -m SCIENCE -d 2014-10-22",
    ]


# --- host keys --------------------------------------------------------------------------------------------


def test_a_key_is_added_once_and_never_over_another(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    path = tree.config / "known_hosts"
    path.write_text("# ours\nother.org,web " + f"{OTHER.kind} {OTHER.data}")
    assert host_keys.add(tree, path, "[web]:2222", KEY) and not host_keys.add(tree, path, "[web]:2222", KEY)
    with pytest.raises(RemoteTrouble, match="has a trusted key already"):
        host_keys.add(tree, path, "web", KEY)
    text = path.read_text()
    assert host_keys.keys_of(text, "[web]:2222") == [KEY] and host_keys.keys_of(text, "web") == [OTHER]
    assert host_keys.remove(tree, path, "web") == 1
    text = path.read_text()
    assert host_keys.keys_of(text, "web") == [] and host_keys.keys_of(text, "other.org") == [OTHER]
    assert text.startswith("# ours\n")


def test_damaged_lines_of_known_hosts_trust_nothing() -> None:
    text = f"web\nweb ssh-ed25519\nweb ssh-ed25519 not-base64!\n@revoked web {KEY.kind} {KEY.data}\n|1|x|y k AAAA\n"
    assert host_keys.keys_of(text, "web") == []


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_hashed_hosts_and_fingerprints_are_those_of_ssh(tmp_path: Path) -> None:
    keygen = shutil.which("ssh-keygen") or ""
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    kind, data = (tmp_path / "k.pub").read_text().split()[:2]
    key = Key(kind, data)
    (tmp_path / "known").write_text(f"[web]:2222 {kind} {data}\n")
    subprocess.run([keygen, "-q", "-H", "-f", str(tmp_path / "known")], check=True, capture_output=True)
    hashed = (tmp_path / "known").read_text()
    assert hashed.startswith("|1|") and host_keys.keys_of(hashed, "[web]:2222") == [key]
    told = subprocess.run([keygen, "-l", "-f", str(tmp_path / "k.pub")], check=True, capture_output=True, text=True)
    assert told.stdout.split()[1] == key.fingerprint


# --- configuration ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("qc@web", ("qc", "web", 22)),
        ("qc_shift@gate.example.org:2222", ("qc_shift", "gate.example.org", 2222)),
        ("web", ("", "web", 22)),
        ("qc:secret@web", None),
        ("-oProxyCommand=x", None),
        ("qc@web:0", None),
        ("qc@web:99999", None),
        ("qc@-web", None),
        ("qc@web\n", None),
    ],
)
def test_hops(text: str, found: object) -> None:
    assert hop(text) == found
    assert Hop("qc", "web").name == "web" and Hop("qc", "web", 2222).name == "[web]:2222"


@pytest.mark.parametrize(
    "change",
    [
        {"directory": "../up"},
        {"directory": "a/../../b"},
        {"directory": "''"},
        {"release": "a/b"},
        {"release": ".."},
        {"user": "'qc:secret'"},
        {"host": "'-x'"},
        {"jump": "['gate']"},
        {"jump": "['qc:secret@gate']"},
        {"port": "0"},
        {"parallel": "0"},
    ],
)
def test_wrong_servers_are_told_with_their_line_and_without_secrets(tmp_path: Path, change: dict[str, Any]) -> None:
    values = {"host": "web", "user": "qc", "directory": "/data", **change}
    lines = "".join(f"      {key}: {value}\n" for key, value in values.items())
    (tmp_path / "dfos.yaml").write_text(f"profile: MUSE_DEEP\nexport:\n  targets:\n    qcweb:\n{lines}")
    with pytest.raises(ConfigTrouble) as caught:
        load(tmp_path)
    assert f"export.targets.qcweb.{next(iter(change))}" in str(caught.value).replace(".user", ".host") or "host" in str(
        caught.value
    )
    assert "dfos.yaml:" in str(caught.value) and "secret" not in str(caught.value)
