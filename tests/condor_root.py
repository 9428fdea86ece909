"""Makes, once, the directory tree with HTCondor's daemons that the tests' pool runs in; about a minute.

    python3 tests/condor_root.py

Debian 13 has HTCondor, older ones have not, so it lives in a root of its own: `$DFOS_CONDOR_ROOT`, or
`dfos-console/condor-root` in the user's cache directory. A tree that is complete is left as it is.
Needs root, debootstrap, and a Debian mirror in the machine's package sources. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

RELEASE = "trixie"
PACKAGES = ("condor", "python3", "libcap2-bin")  # python runs the wrapper of the jobs
USER, UID = "ops", 2001  # HTCondor refuses jobs of root
# A python that may write what root has written, as a job of the operator's own could.
PYTHON = "/usr/local/bin/python3"
_COMPLETE = "etc/dfos-condor-root"
_FORM = "2"  # raise it, and every cached tree is made anew
# A tree for tests need not survive a power cut, nor have manuals.
_DPKG = """force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
"""


class NoRoot(Exception):
    """The tree cannot be made here; the text says why."""


def place() -> Path:
    """Where the tree is, or will be."""
    given = os.environ.get("DFOS_CONDOR_ROOT")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given or Path(caches) / "dfos-console" / "condor-root").absolute()


def lacking(root: Path | None = None) -> str:
    """Why no pool can run here, in words; empty when it can."""
    if os.geteuid():
        return "root's rights"
    if missing := [tool for tool in ("setpriv", "nsenter", "chroot", "unshare") if not shutil.which(tool)]:
        return f"{missing[0]} (util-linux)"
    if subprocess.run([shutil.which("unshare") or "", "--mount", "true"], capture_output=True, check=False).returncode:
        return "the right to mount (a container without it)"
    return "" if _complete(root or place()) else "HTCondor's own root (python3 tests/condor_root.py makes it)"


def prepare(root: Path) -> float:
    """Make the tree unless it is there; seconds it took. NoRoot when this machine cannot."""
    began = time.monotonic()
    if os.geteuid():
        raise NoRoot("only root can make it")
    if not (debootstrap := shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")):
        raise NoRoot("debootstrap is not installed")
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _complete(root):
            return 0.0
        made = root.with_name(f"{root.name}.new")
        for old in (made, root):  # half made, or of an earlier form
            shutil.rmtree(old, ignore_errors=True)
        _run([debootstrap, "--variant=minbase", "--include=ca-certificates", RELEASE, str(made), _mirror()])
        _install(made)
        (made / _COMPLETE).write_text(_FORM)
        made.rename(root)
    return time.monotonic() - began


def _complete(root: Path) -> bool:
    mark = root / _COMPLETE
    return mark.is_file() and mark.read_text() == _FORM


def _mirror() -> str:
    """The Debian mirror that this machine uses already."""
    wanted = ["Created-By: Packages", "Origin: Debian", "Component: main", "Label: Debian"]
    listed = subprocess.run(
        [shutil.which("apt-get") or "apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode or not listed.stdout.split():
        raise NoRoot("the package sources of this machine name no Debian mirror (apt-get update?)")
    return listed.stdout.split()[0]


def _install(root: Path) -> None:
    (root / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/dpkg/dpkg.cfg.d/tests").write_text(_DPKG)
    no_daemons = root / "usr/sbin/policy-rc.d"
    no_daemons.write_text("#!/bin/sh\nexit 101\n")
    no_daemons.chmod(0o755)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc") / name, root / "etc" / name)
    inside = [shutil.which("chroot") or "chroot", str(root), "/usr/bin/env", "DEBIAN_FRONTEND=noninteractive"]
    _run([*inside, "apt-get", "-q", "update"])
    _run([*inside, "apt-get", "-q", "install", "-y", "--no-install-recommends", *PACKAGES])
    _run([*inside, "apt-get", "clean"])
    _run([*inside, "useradd", "-m", "-u", str(UID), USER])
    shutil.copy(root / "usr/bin" / (root / "usr/bin/python3").readlink(), root / PYTHON[1:])
    _run([*inside, "setcap", "cap_dac_override+ep", PYTHON])


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        told = done.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise NoRoot(f"{Path(argv[0]).name} ended with {done.returncode}: {' | '.join(told)}")


def main() -> int:
    root = place()
    try:
        took = prepare(root)
    except NoRoot as trouble:
        sys.stderr.write(f"no root for HTCondor in {root}: {trouble}\n")
        return 1
    sys.stdout.write(f"{root}: {f'made in {took:.0f} s' if took else 'was there'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
