"""What the board costs a terminal: our line-drawn list and a stock DataTable, in turn, in a real pty.

`python -m benchmarks.tui_board` prints a JSON list of {work, ours, peer, ratio, goal}. Bytes are
counted at the master side of the pty; cpu is the process's own; time runs until the first byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

COLUMNS, LINES = 120, 40
SETTLE_S = 0.25
IDLE_S = 20.0
ROOT = Path(__file__).resolve().parent.parent


class Console:
    """A child app in a pty, told by a pipe what to change, telling by a pipe what it has spent."""

    def __init__(self, kind: str, rows: int) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        order_out, self.orders = os.pipe()
        self.report, report_in = os.pipe()
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.tui_board", kind, str(rows), str(order_out), str(report_in)],
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=(order_out, report_in),
            env=os.environ | {"TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none", "COLORTERM": "truecolor"},
        )
        for fd in (slave, order_out, report_in):
            os.close(fd)
        self._unread = ""
        self.shown_s = float(self.said(60.0))  # seconds from the app's start to the rows on screen
        self.ready_s = time.perf_counter() - self.started
        self.quiet(1.0)

    def said(self, patience: float) -> str:
        """The child's next line; what it writes to the terminal meanwhile is thrown away."""
        end = time.perf_counter() + patience
        while "\n" not in self._unread:
            left = end - time.perf_counter()
            if left <= 0:
                raise TimeoutError("the console said nothing")
            for fd in select.select([self.report, self.master], [], [], left)[0]:
                data = os.read(fd, 65536)
                if fd == self.report:
                    self._unread += data.decode()
        line, self._unread = self._unread.split("\n", 1)
        return line

    def quiet(self, seconds: float) -> tuple[int, float | None]:
        """Bytes written until nothing comes for `seconds`, and the seconds to the first of them."""
        begun, first, count = time.perf_counter(), None, 0
        while select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            first = first or time.perf_counter() - begun
            count += len(data)
        return count, first

    def during(self, seconds: float) -> int:
        """Bytes written in this time."""
        end, count = time.perf_counter() + seconds, 0
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0]:
                count += len(os.read(self.master, 65536))
        return count

    def cpu(self) -> float:
        """Seconds of cpu the child has spent."""
        os.write(self.orders, b"u")
        return float(self.said(10.0))

    def cost(self, act: bytes, *, key: bool, times: int) -> dict[str, float]:
        """Medians of one act: bytes, seconds to the first byte, seconds of cpu."""
        counts, firsts, spent = [], [], []
        for _ in range(times):
            before = self.cpu()
            os.write(self.master if key else self.orders, act)
            count, first = self.quiet(SETTLE_S)
            spent.append(self.cpu() - before)
            counts.append(count)
            firsts.append(first or 0.0)
        return {
            "bytes": statistics.median(counts),
            "ms": round(1000 * statistics.median(firsts), 1),
            "cpu_ms": round(1000 * statistics.median(spent), 1),
        }

    def close(self) -> None:
        """End the child."""
        self.process.kill()
        self.process.wait()
        for fd in (self.master, self.orders, self.report):
            os.close(fd)


def child(kind: str, rows: int, orders: int, report: int) -> None:
    """The app in the pty: our monitor, a stock DataTable, or the smallest app there is."""
    import asyncio

    from textual.app import App, ComposeResult
    from textual.widgets import DataTable, Static

    begun = 0.0

    def tell(text: object) -> None:
        os.write(report, f"{text}\n".encode())

    def order() -> None:
        for byte in os.read(orders, 64):
            if byte == ord("u"):
                tell(time.process_time())
            else:
                app.change()

    class Bare(App[None]):
        def on_mount(self) -> None:
            nonlocal begun
            begun = time.perf_counter()
            asyncio.get_running_loop().add_reader(orders, order)
            self.fill()

        def fill(self) -> None:
            self.call_after_refresh(self.shown)

        def shown(self) -> None:
            tell(time.perf_counter() - begun)

        def change(self) -> None:
            """One cell."""

    class Smallest(Bare):
        def compose(self) -> ComposeResult:
            yield Static("ready")

    class Stock(Bare):
        turn = 0

        def compose(self) -> ComposeResult:
            yield DataTable(cursor_type="row")

        def fill(self) -> None:
            table = self.query_one(DataTable)
            names = ("", "AB", "kind", "recipe", "target", "str", "state", "started", "time", "score", "message", "n")
            for name in names:
                table.add_column(name, key=name)
            for i in range(rows):
                cells = (f"T{i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}_pst", "scipost", "muse_scipost", "NGC300")
                table.add_row("+", *cells, "1", "created", "", "", "...", "", str(i), key=str(i))
            table.focus()
            self.call_after_refresh(self.shown)

        def change(self) -> None:
            self.turn += 1
            self.query_one(DataTable).update_cell("3", "score", "..o" if self.turn % 2 else "...")

    class Ours(Bare):
        turn = 0

        def fill(self) -> None:
            from screens.theme import DFOS

            self.animation_level = "none"
            self.register_theme(DFOS)
            self.theme = DFOS.name
            self.board = _board(rows)
            self.monitor = _monitor(self.board)
            self.push_screen(self.monitor)
            self.monitor.call_after_refresh(self.shown)

        def change(self) -> None:
            from engine.events import AbScored, Stamped
            from screens.messages import BoardChanged

            self.turn += 1
            event = AbScored(list(self.board.rows)[3], "..o" if self.turn % 2 else "...")
            change = self.board.fold(Stamped("run", self.turn, time.time(), event))
            self.monitor.post_message(BoardChanged(change))

    app = {"smallest": Smallest, "stock": Stock, "ours": Ours}[kind]()
    app.run()


def _board(rows: int):  # type: ignore[no-untyped-def]
    from engine import events as ev
    from engine.board import Board

    board = Board()
    board.fold(ev.Stamped("run", 1, 1.0, ev.RunStarted("bench", "2094-01-14", "MUSE", "none", False, "h", "u", 1)))
    for i in range(rows):
        name = f"MUSE.2014-10-23T{i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}.000_pst.ab"
        seen = ev.AbSeen(
            name, "SCIENCE", "2094-01-14", "scipost", "muse_scipost", "PIXTABLE", "NGC300", i, (), 60, "CREATED"
        )
        board.fold(ev.Stamped("run", i + 2, 1.0, seen))
    return board


def _monitor(board):  # type: ignore[no-untyped-def]
    from screens.monitor.ab_monitor import AbMonitor

    class Link:
        alive = True

        def __init__(self) -> None:
            self.board = board

    return AbMonitor(Link(), None, ascii=False)  # type: ignore[arg-type]


def row(work: str, ours: object, peer: object, ratio: float | None, goal: str) -> dict[str, object]:
    """One line of the published table."""
    return {"work": work, "ours": ours, "peer": peer, "ratio": None if ratio is None else round(ratio, 3), "goal": goal}


def measure() -> list[dict[str, object]]:
    """All of it; under 90 s."""
    found = []
    costs: dict[str, dict[str, dict[str, float]]] = {}
    idle = {}
    for kind in ("ours", "stock"):
        console = Console(kind, 5000)
        try:
            costs[kind] = {
                "cell": console.cost(b"c", key=False, times=7),
                "down": console.cost(b"\x1b[B", key=True, times=9),
                "page": console.cost(b"\x1b[6~", key=True, times=5),
            }
            idle[kind] = console.during(IDLE_S if kind == "ours" else IDLE_S / 2)
        finally:
            console.close()
    idle = {"ours": idle["ours"] * 60 / IDLE_S, "stock": idle["stock"] * 120 / IDLE_S}
    goals = {
        "cell": "10 ms cpu, 500 bytes",
        "down": "20 ms to the first byte, 1000 bytes",
        "page": "15000 bytes, not animated",
    }
    names = {"cell": "one cell changes, 5,000 ABs", "down": "key down", "page": "page down"}
    for act, goal in goals.items():
        ours, peer = costs["ours"][act], costs["stock"][act]
        found.append(row(names[act], ours, peer, ours["bytes"] / max(1, peer["bytes"]), goal))
    found.append(row("an idle minute, bytes", idle["ours"], idle["stock"], None, "1000 bytes"))
    shown = {}
    for kind in ("ours", "stock"):
        console = Console(kind, 10_000)
        shown[kind] = round(console.shown_s, 3)
        console.close()
    ratio = shown["ours"] / shown["stock"]
    found.append(row("10,000 ABs on screen, s", shown["ours"], shown["stock"], ratio, "0.5 s after the app is up"))
    first: dict[str, list[float]] = {"ours": [], "smallest": []}
    for _ in range(5):
        for kind in first:
            console = Console(kind, 100)
            first[kind].append(console.ready_s)
            console.close()
    ours_s, bare_s = (statistics.median(first[kind]) for kind in ("ours", "smallest"))
    found.append(row("first frame, s", round(ours_s, 3), round(bare_s, 3), ours_s / bare_s, "1.5 x a minimal app"))
    return found


def main() -> None:
    """Print the table as JSON."""
    print(json.dumps(measure(), indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
