"""ShellPgi: an executable of $DFO_BIN_DIR in any hook.

It is called as `<plugin> <AB name>` with MODE, DATE, AB and the account's variables in its environment. What it
could change is a copy: $DFO_AB_DIR holds copies of the ABs, $DFS_PRODUCT links to the products it is shown. What
it did to them is its proposal; the engine validates and carries it out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.tree import DfoTree
from console.plugins import key_table
from engine.core.ab import AB, parse
from engine.core.cascade import Kind
from engine.errors import BadAb, PluginHung, PluginTrouble
from engine.pgi import Aftermath, Complaint, KeyTable, NameReview, Products, QcSeen
from engine.processes import end_marked

_TOKEN = "DFOS_PLUGIN"  # noqa: S105 - the environment variable that marks what a plugin has started
_OUTPUT_LIMIT = 1_000_000  # bytes of output kept


class ShellPgi:
    """An executable plugin; blocking, so the engine calls it in a thread. PluginTrouble when it fails or hangs."""

    def __init__(self, path: Path, tree: DfoTree, timeout_s: float) -> None:
        self.path = path
        self.tree = tree
        self.timeout_s = timeout_s
        self.name = path.name

    def propose(self, abs: tuple[AB, ...]) -> tuple[AB, ...]:
        """AB_PGI: the ABs that are in $DFO_AB_DIR afterwards, the given ones first and in their order."""
        with self._scratch() as scratch:
            self._run(scratch, abs, abs[0] if abs else None)
            found = {path.name: path for path in (scratch / "ab").glob("*.ab")}
            order = [ab.name for ab in abs if ab.name in found]
            order += sorted(name for name in found if name not in order)
            return tuple(self._parsed(found[name]) for name in order)

    def prepare(self, ab: AB) -> AB:
        """PRE_PLUGIN: the AB as the plugin leaves it."""
        with self._scratch() as scratch:
            self._run(scratch, (ab,), ab)
            path = scratch / "ab" / ab.name
            if not path.is_file():
                raise PluginTrouble(f"{self.name} removed the AB it was to prepare", where=ab.name)
            return self._parsed(path)

    def check(self, abs: tuple[AB, ...], missing: tuple[str, ...]) -> tuple[Complaint, ...]:
        """HDR_PGI: lines `<AB name> <sentence>`; the missing paths are in the file $FILE_LIST."""
        with self._scratch() as scratch:
            lines = self._run(scratch, abs, abs[0] if abs else None, files=missing)
        return tuple(Complaint(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip())

    def plan(self, abs: tuple[AB, ...], kinds: tuple[Kind, ...], streams: int) -> tuple[str, ...]:
        """JOB_PGI: the lines it prints."""
        with self._scratch() as scratch:
            return self._run(scratch, abs, abs[0] if abs else None, {"STREAMS": str(streams)})

    def review(self, abs: tuple[AB, ...]) -> tuple[str, ...]:
        """CERTIF_PGI: the AB names it prints."""
        with self._scratch() as scratch:
            return tuple(" ".join(self._run(scratch, abs, abs[0] if abs else None)).split())

    def keep(self, mode: str, date: str, files: tuple[str, ...], options: Mapping[str, str]) -> tuple[str, ...]:
        """SPECIAL_PLUGIN: the files that it took out of $DFS_PRODUCT are withheld; options as OPTION_<NAME>."""
        extra = {"MODE": mode, "DATE": date, **_exported(options)}
        with self._scratch() as scratch:
            links = {file: self._link(scratch, file) for file in files}
            self._run(scratch, (), None, extra, tuple(str(link) for link in links.values()))
            return tuple(file for file, link in links.items() if not link.is_symlink())

    def spare(self, mode: str, date: str, files: tuple[str, ...]) -> tuple[str, ...]:
        """CLEANUP_PLUGIN: the same, for files that stay FITS."""
        return self.keep(mode, date, files, {})

    def after(self, ab: AB, products: Products) -> Aftermath:
        """POST_PLUGIN: lines `retire <product>` and `spent <input>`; every other line is a note."""
        with self._scratch() as scratch:
            lines = self._run(scratch, (ab,), ab, files=tuple(name for name, _ in products))
        said: dict[str, list[str]] = {"retire": [], "spent": [], "": []}
        for line in filter(str.strip, lines):
            words = line.split()
            key = words[0] if len(words) == 2 and words[0] in said else ""
            said[key].append(words[1] if key else line)
        return Aftermath(tuple(said["retire"]), tuple(said[""]), tuple(said["spent"]))

    def finish(self, ab: AB, products: Products, options: Mapping[str, str]) -> Mapping[str, str]:
        """FINAL_PLUGIN: lines `<product> <new PRO.CATG>`; options are exported as OPTION_<NAME>."""
        with self._scratch() as scratch:
            lines = self._run(
                scratch, (ab,), ab, _exported(options), tuple(f"{name} {catg}" for name, catg in products)
            )
        pairs = [line.split() for line in lines if line.strip()]
        for words in pairs:
            if len(words) != 2:
                raise PluginTrouble(f"{self.name} printed '{' '.join(words)[:80]}'", remedy="'<product> <PRO.CATG>'")
        return {name: catg for name, catg in pairs}

    def cover(self, ab: AB, products: Products) -> tuple[str, ...]:
        """PGI_COVER: the lines it prints."""
        with self._scratch() as scratch:
            return self._run(scratch, (ab,), ab, files=tuple(name for name, _ in products))

    def concluded(self, ab: AB, seen: QcSeen) -> tuple[str, ...]:
        """FINAL_PLUGIN of processQC: the lines it prints; $FILE_LIST holds the files QC made, $QCFLAG and $SCORES."""
        extra = {"QCFLAG": seen.flag, "SCORES": "".join(mark for _, _, mark in seen.scores)}
        with self._scratch() as scratch:
            (scratch / "log").write_text("".join(f"{line}\n" for line in seen.log), "utf-8", "surrogateescape")
            return self._run(scratch, (ab,), ab, extra, seen.files)

    def amend_keys(self, mode: str, date: str, keys: KeyTable) -> KeyTable:
        """PRE_PLUGIN of renameProducts: edits $TMP_DIR/results, one product a line, columns divided by tabs."""
        with self._scratch() as scratch:
            results = scratch / key_table.RESULTS
            results.write_text(key_table.written(keys), encoding="utf-8", errors="surrogateescape")
            self._run(scratch, (), None, {"MODE": mode, "DATE": date}, tuple(keys))
            try:
                text = results.read_text(encoding="utf-8", errors="surrogateescape")
            except OSError as trouble:
                raise PluginTrouble(f"{self.name} left no {key_table.RESULTS}: {trouble.strerror}") from trouble
        return key_table.amended(self.name, keys, text)

    def judge_names(self, mode: str, date: str, names: Mapping[str, str], messages: tuple[str, ...]) -> NameReview:
        """SPECIAL_PLUGIN of renameProducts: lines `withhold <PIPEFILE>`; every other line is a note; exit code not 0
        stops it all. $FILE_LIST holds `<PIPEFILE> <final name>`, $TMP_DIR/messages what the tool has to say.
        """
        with self._scratch() as scratch:
            (scratch / "messages").write_text("".join(f"{text}\n" for text in messages), "utf-8", "surrogateescape")
            listing = tuple(f"{pipefile} {final}" for pipefile, final in names.items())
            lines = self._run(scratch, (), None, {"MODE": mode, "DATE": date}, listing)
        withheld = tuple(line.split()[1] for line in lines if line.startswith("withhold ") and len(line.split()) == 2)
        return NameReview(withheld, tuple(line for line in lines if line.strip() and not line.startswith("withhold ")))

    def notify(self, ab: AB) -> None:
        """START_MONITOR_PLUGIN and END_MONITOR_PLUGIN."""
        with self._scratch() as scratch:
            self._run(scratch, (ab,), ab)

    # --- how it is run -------------------------------------------------------------------

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        self.tree.tmp.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{self.name}.", dir=self.tree.tmp) as folder:
            scratch = Path(folder)
            (scratch / "ab").mkdir()
            (scratch / "product").mkdir()
            yield scratch

    def _link(self, scratch: Path, file: str) -> Path:
        path = self.tree.expand(file)
        inside = path.relative_to(self.tree.product) if self.tree.product in path.parents else Path(path.name)
        if ".." in inside.parts:
            raise PluginTrouble(f"'{file}' leaves the product directory", where=self.name)
        link = scratch / "product" / inside
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
        return link

    def _parsed(self, path: Path) -> AB:
        try:
            return parse(path.read_bytes(), str(self.tree.ab / path.name))
        except (OSError, BadAb) as trouble:
            raise PluginTrouble(f"{self.name} left an AB that cannot be read: {trouble}") from trouble

    def _run(
        self,
        scratch: Path,
        abs_: tuple[AB, ...],
        ab: AB | None,
        extra: Mapping[str, str] | None = None,
        files: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        for one in abs_:
            (scratch / "ab" / one.name).write_bytes(one.render())
        listing = scratch / "files.txt"
        listing.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
        environment = {
            **self.tree.variables,
            "PATH": f"{self.tree.bin}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.tree.root),
            "DFO_AB_DIR": str(scratch / "ab"),
            "DFS_PRODUCT": str(scratch / "product"),
            "TMP_DIR": str(scratch),
            "FILE_LIST": str(listing),
            "MODE": ab.mode if ab else "",
            "DATE": ab.date if ab else "",
            "AB": ab.name if ab else "",
            **(extra or {}),
        }
        return self._call([str(self.path), *([ab.name] if ab else [])], scratch, environment)

    def _call(self, argv: list[str], scratch: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        out, err = scratch / "stdout", scratch / "stderr"
        token = f"{self.name}.{uuid.uuid4().hex}"
        try:
            with out.open("wb") as stdout, err.open("wb") as stderr:
                process = subprocess.Popen(
                    argv,
                    cwd=scratch,
                    env={**environment, _TOKEN: token},
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )
        except OSError as trouble:
            raise PluginTrouble(f"{self.name} cannot be started: {trouble.strerror}", where=str(self.path)) from trouble
        try:
            code = process.wait(self.timeout_s)
        except BaseException as trouble:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
            process.wait()
            end_marked(_TOKEN, token)  # also what has left its group
            if not isinstance(trouble, subprocess.TimeoutExpired):
                raise
            raise PluginHung(
                f"{self.name} did not end within {self.timeout_s:g} s and was terminated",
                where=str(self.path),
                remedy=f"see what it waits for, or set plugins.options.{self.name}.timeout_s",
            ) from None
        if code:
            said = _head(err).strip().splitlines() or _head(out).strip().splitlines()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise PluginTrouble(
                f"{self.name} failed with {how}" + (f": {said[-1][:200]}" if said else ""),
                where=str(self.path),
                remedy="nothing was changed; correct the plugin or set its slot to NONE",
            )
        return tuple(_head(out).splitlines())


def _exported(options: Mapping[str, str]) -> dict[str, str]:
    return {f"OPTION_{key.replace('.', '_').upper()}": value for key, value in options.items()}


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_OUTPUT_LIMIT).decode("utf-8", "replace")
