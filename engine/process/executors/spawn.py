"""Start a program in a directory, in a session of its own, for as little as the system allows.

One `posix_spawn` of the C library, with what the standard library's call of that name has not: the working directory.
Where the C library lacks it, `subprocess` does the same for more.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_ROOM = 1024  # bytes; larger than the opaque structures of any C library
_SETSIGDEF, _SETSID = 0x04, 0x80  # <spawn.h>
_FIRST_PRIVATE = 3  # file descriptors from here on are ours, not the program's


def started(argv: Sequence[str], cwd: str, env: Mapping[str, str], out: int) -> int:
    """The pid of a new program in `cwd`, with no input and all its output into the file descriptor `out`.

    The caller waits for it. OSError when it cannot be started, ValueError for an argument that no program can get.
    """
    spawn = _spawn()
    if spawn is None:
        return popen(argv, cwd, env, out)
    return spawn.start(argv, cwd, env, out)


def popen(
    argv: Sequence[str], cwd: str, env: Mapping[str, str], out: int, first: Callable[[], object] | None = None
) -> int:
    """The same by `subprocess`; `first` is called in the new process, before the program."""
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        start_new_session=True,
        preexec_fn=first,
    )
    process.returncode = 0  # from here on the caller waits for it, Popen must not
    return process.pid


@functools.cache
def _spawn() -> _Spawn | None:
    try:
        return _Spawn()
    except AttributeError:
        return None


class _Spawn:
    """The C library's side. AttributeError when it is too old (glibc 2.34 has it all)."""

    def __init__(self) -> None:
        self._c = ctypes.PyDLL(None)  # keeps the interpreter, as os.posix_spawn does: the calls are short
        self._call = self._c.posix_spawn
        self._chdir = self._c.posix_spawn_file_actions_addchdir_np
        self._close_from = self._c.posix_spawn_file_actions_addclosefrom_np
        self._attributes = ctypes.create_string_buffer(_ROOM)
        ignored = ctypes.create_string_buffer(_ROOM)
        self._c.sigemptyset(ignored)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores; a program must not
            self._c.sigaddset(ignored, number)
        self._c.posix_spawnattr_init(self._attributes)
        self._c.posix_spawnattr_setsigdefault(self._attributes, ignored)
        self._c.posix_spawnattr_setflags(self._attributes, ctypes.c_short(_SETSIGDEF | _SETSID))

    def start(self, argv: Sequence[str], cwd: str, env: Mapping[str, str], out: int) -> int:
        program = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=env.get("PATH", os.defpath)) or argv[0]
        actions = ctypes.create_string_buffer(_ROOM)
        pid = ctypes.c_int()
        self._c.posix_spawn_file_actions_init(actions)
        try:
            for number in (1, 2):
                self._c.posix_spawn_file_actions_adddup2(actions, out, number)
            self._c.posix_spawn_file_actions_addopen(actions, 0, os.devnull.encode(), os.O_RDONLY, 0)
            self._close_from(actions, _FIRST_PRIVATE)
            trouble = self._chdir(actions, _bytes(cwd)) or self._call(
                ctypes.byref(pid),
                _bytes(program),
                actions,
                self._attributes,
                _strings(argv),
                _strings([f"{name}={text}" for name, text in env.items()]),
            )
        finally:
            self._c.posix_spawn_file_actions_destroy(actions)
        if trouble:
            raise OSError(trouble, os.strerror(trouble), program if Path(cwd).is_dir() else cwd)
        return pid.value


def _bytes(text: str) -> bytes:
    data = os.fsencode(text)
    if b"\0" in data:
        raise ValueError("embedded null byte")
    return data


def _strings(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    data = os.fsencode("\0".join(texts)).split(b"\0")
    if len(data) != len(texts):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(data) + 1))(*data, None)
