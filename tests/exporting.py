"""An account with logs and plots to export, its keys, and web servers on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import asyncssh

from config.export import Export, Target
from engine.context import Context
from tests.builders import make_context

DATE = "2014-10-22"
PAGE = """<html><body>
<a href="{log}/run.log">log</a> <a href="more.log">relative</a> <img src="file://{plt}/plot.png">
<a href="{plt}/paper.ps">ps</a> <a href="{log}/r.fits">fits</a> <a href="http://www.eso.org/">eso</a>
</body></html>
"""


def keys(root: Path, *names: str) -> dict[str, asyncssh.SSHKey]:
    """Key pairs by name; the private half is in `root`/<name>, mode 0600."""
    made = {name: asyncssh.generate_private_key("ssh-ed25519") for name in names}
    for name, key in made.items():
        key.write_private_key(root / name)
        (root / name).chmod(0o600)
    return made


def public(key: asyncssh.SSHKey) -> str:
    """The public half as one line without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])


def fill(context: Context, date: str = DATE, **more: bytes) -> None:
    """Logs and plots of a date: what goes, and one of everything that does not."""
    log, plt = context.tree.log / date, context.tree.plt / date
    log.mkdir(parents=True, exist_ok=True)
    plt.mkdir(parents=True, exist_ok=True)
    (log / "page.html").write_text(PAGE.format(log=log, plt=plt))
    logs = {"run.log": b"log\n" * 100, "more.log": b"more\n", "empty.log": b"", "r.fits": b"F", "r.fits.fz": b"F"}
    for name, data in {**logs, "r.hdr": b"H", **more}.items():
        (log / name).write_bytes(data)
    for name in ("plot.png", "plot.gif", "paper.ps", "PAPER.PS", "r.FITS", "r.hdr"):
        (plt / name).write_bytes(b"of " + name.encode())


GOES = {
    "logs": {"page.html", "run.log", "more.log", "empty.log"},
    "plots": {"plot.png", "plot.gif"},
}


def exporting(root: Path, port: int, host_key: str, *, clock: Any = None, **target: Any) -> Context:
    """A context whose account exports to `qcweb`, 127.0.0.1:`port`, whose key is known; its own key is `us`."""
    values = {"host": "127.0.0.1", "port": port, "user": "qc", "key": str(root / "us"), "directory": "tree"}
    extra = {name: target.pop(name) for name in ("read_back_mb", "targets") if name in target}
    made = Target(**{**values, "timeout_s": 60.0, **target})
    targets = {"qcweb": made, **extra.pop("targets", {})}
    options = {"clock": clock} if clock else {}
    context = make_context(root, export=Export(targets=targets, **extra), **options)
    known = context.tree.config / "known_hosts"
    if host_key:
        known.write_text(f"[127.0.0.1]:{port} {host_key}\n")
    fill(context)
    return context


class Chroot(asyncssh.SFTPServer):
    """The files of one directory."""

    root = Path()

    def __init__(self, channel: asyncssh.SSHServerChannel) -> None:
        super().__init__(channel, chroot=os.fsencode(self.root))


@asynccontextmanager
async def web_server(root: Path, them: asyncssh.SSHKey, us: asyncssh.SSHKey, **options: Any) -> Any:
    """asyncssh's own server over `root`/remote; `sftp` may be a class derived from Chroot. Gives its port."""
    (root / "remote").mkdir(exist_ok=True)
    kind = type("Here", (options.pop("sftp", Chroot),), {"root": root / "remote"})
    server = await asyncssh.listen(
        "127.0.0.1",
        options.pop("port", 0),
        server_host_keys=[them],
        authorized_client_keys=asyncssh.import_authorized_keys(us.export_public_key().decode()),
        sftp_factory=kind,
        **options,
    )
    try:
        yield server
    finally:
        server.close()
        await server.wait_closed()


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a directory by its path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def links(html: str) -> list[str]:
    """Every href and src of a page."""
    parser = _Links()
    parser.feed(html)
    return parser.found


def lost(root: Path) -> Iterator[str]:
    """Links of the pages below `root` that lead nowhere within it."""
    for page in root.rglob("*.html"):
        for link in links(page.read_text("utf-8", "surrogateescape")):
            if not link.startswith(("http:", "https:", "#")):
                place = PurePosixPath(os.path.normpath(page.parent / unquote(link, errors="surrogateescape")))
                if not place.is_relative_to(root) or not Path(place).is_file():
                    yield f"{page.name}: {link}"
