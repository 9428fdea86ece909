"""OpenSSH's own server on this machine, with a configuration and host keys of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from engine.context import Context
from tests.exporting import DATE, exporting, keys, public
from tests.ports import held_port, number

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SFTP = next((path for path in ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server") if Path(path).exists()), "")
ME = pwd.getpwuid(os.getuid())


class Sshd:
    """One sshd of ours, in the foreground; `restart` brings it back on the same port."""

    def __init__(self, place: Path, host_key: str, authorized: str, *extra: str) -> None:
        self.place, self.log = place, place / "log"
        self._held = held_port()
        self.port = number(self._held)
        (place / "authorized_keys").write_text(f"{authorized}\n")
        (place / "authorized_keys").chmod(0o600)
        self.config = place / "config"
        self.config.write_text(
            "\n".join(
                (
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {host_key}",
                    f"AuthorizedKeysFile {place}/authorized_keys",
                    f"PidFile {place}/pid",
                    "StrictModes yes",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "PermitRootLogin prohibit-password",
                    "LogLevel DEBUG1",
                    *extra,
                    f"Subsystem sftp {SFTP or 'internal-sftp'}",
                )
            )
            + "\n"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.restart()

    def restart(self) -> None:
        """Begin to serve, on the port it has."""
        assert SSHD, "OpenSSH's server is required here and is not installed"
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        before = self._begun()
        self.process = subprocess.Popen([SSHD, "-D", "-f", str(self.config), "-E", str(self.log)])
        end = time.monotonic() + 60
        while self._begun() == before:
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.005)

    def cut(self) -> int:
        """Kill every login, and see them gone; how many processes there were."""
        with self._frozen() as found:
            _end(found)
        return len(found)

    def silence(self) -> int:
        """Freeze every login; how many processes there were."""
        with self._frozen() as found:
            return len(found)

    def stop(self) -> None:
        """End it and its logins."""
        if self.process and self.process.poll() is None:
            with self._frozen() as found:
                self.process.kill()
                self.process.wait(60)
                _end(found)

    def close(self) -> None:
        """End it for good: the port is anybody's."""
        self.stop()
        self._held.close()

    def _begun(self) -> int:
        """How often it has begun to listen."""
        return self.log.read_text().count("Server listening on") if self.log.exists() else 0

    @contextmanager
    def _frozen(self) -> Iterator[list[psutil.Process]]:
        """Its logins, and what serves their files, standing still; nobody comes in meanwhile."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield [one for child in psutil.Process(self.process.pid).children() for one in _still(child)]
        finally:
            self.process.send_signal(signal.SIGCONT)


def _still(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it, from the top: what is stopped starts no more."""
    with suppress(psutil.NoSuchProcess):  # it ended by itself
        process.suspend()
        return [process, *(one for child in process.children() for one in _still(child))]
    return []


def _end(found: list[psutil.Process]) -> None:
    for session in found:
        with suppress(psutil.NoSuchProcess):  # with its parent
            session.kill()
    end = time.monotonic() + 60
    while any(_lives(session) for session in found):
        assert time.monotonic() < end, "a login that cannot be ended"
        time.sleep(0.005)


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)  # nobody may ever reap it
    return False


class Site:
    """A web server, a gate before it, their keys and ours."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.keys = keys(place, "them", "gate", "us")
        self.server = self.another("them", "AllowTcpForwarding no")
        self.remote = place / "web"
        self.release = self.remote / "MUSE_DEEP"

    def another(self, name: str, *extra: str) -> Sshd:
        """One more server, with the host key of that name."""
        home = self.place / f"sshd-{name}"
        home.mkdir()
        return Sshd(home, str(self.place / name), public(self.keys["us"]), *extra)

    def account(self, **target: object) -> Context:
        """An account that exports to the web server."""
        values = {"user": ME.pw_name, "directory": str(self.remote), **target}
        return exporting(self.place, self.server.port, public(self.keys["them"]), **values)

    def names(self, part: str) -> set[str]:
        """What the web server has of the date in `logs` or `plots`."""
        return {path.name for path in (self.release / part / DATE).iterdir()}


@contextmanager
def serving() -> Iterator[Site]:
    """A site below the home directory: with StrictModes sshd takes no key from under a directory that others write."""
    # What serves the files of a login that has gone in peace may end a little later than that: it spoils nothing.
    with tempfile.TemporaryDirectory(prefix=".dfos-sshd-", dir=ME.pw_dir, ignore_cleanup_errors=True) as folder:
        made = Site(Path(folder))
        try:
            yield made
        finally:
            made.server.close()
