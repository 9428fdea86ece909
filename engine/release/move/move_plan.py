"""What moveProducts will do, decided before anything is touched. Pure.

Steps 2.1 to 2.18 of the tool page by decisions 3 to 8: every product gets exactly one fate, final
names are made over the whole pool (what stands in the final directory and what joins it), ABs get
their new text, and the product tree is cleared last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from config.schema import Settings
from engine.core.ab import AB, RETIRED, tag_of
from engine.core.product import DELETE, MOVE, SUFFIXES, WITHHELD, Fate, stem_of
from engine.errors import BadAb
from engine.release.move.extras import extras, older
from engine.release.move.fates import Fates
from engine.release.move.notes import notes
from engine.release.move.pages import pages
from engine.release.move.plan import AbUpdate, Carry, MovePlan, Retire
from engine.release.move.survey import Found, Snapshot
from engine.release.rename.rename_products import Named, Naming, names, plain_name, plain_names
from engine.release.rename.rn_files import NAME, rn_files_text
from engine.release.standing import READY, UNDECIDED, UNFINISHED, pattern, reviewed
from engine.release.update.update_ab import Certificate, Places, missing, updated
from engine.stores.vcal import superseded

__all__ = ["MovePlan", "move_plan"]

NO_STATUS = "2099-99-99"  # the pre-imaging placeholder writes no status (decision 10)


def move_plan(
    snapshot: Snapshot,
    settings: Settings,
    *,
    stamp: str = "",
    recreate: bool = False,
    withheld: Mapping[str, str] | None = None,
    unnamed: Collection[str] = (),
) -> MovePlan:
    """The plan for what `snapshot` saw.

    `stamp` is the UPDATED time of ABs (UTC, ISO); `recreate` retires what stands in the final
    directory; `withheld` products (PIPEFILE: why) stay, as the SPECIAL_PLUGIN proposed;
    `unnamed` ones (PIPEFILE) keep that name, as the SPECIAL_PLUGIN of renameProducts proposed.
    """
    return _Planner(snapshot, settings, stamp, recreate, withheld or {}, unnamed).plan()


class _Planner:
    """One plan being made."""

    def __init__(
        self,
        snapshot: Snapshot,
        settings: Settings,
        stamp: str,
        recreate: bool,
        withheld: Mapping[str, str],
        unnamed: Collection[str],
    ) -> None:
        self.seen = snapshot
        self.settings = settings
        self.stamp = stamp
        self.recreate = recreate
        self.withheld = withheld
        self.unnamed = unnamed
        self.fates = Fates(settings, snapshot.mode, snapshot.standings, withheld)
        self.conflicts: list[str] = []
        self.warnings: list[str] = []
        self.there = {Path(found.product.path).name for found in snapshot.products}
        self.final_dir = snapshot.tree.final(snapshot.mode) / snapshot.date
        self.log_dir = snapshot.tree.log / snapshot.date
        self.plot_dir = snapshot.tree.plt / snapshot.date

    def plan(self) -> MovePlan:
        seen = self.seen
        choices = [self.fates.of(found) for found in seen.products]
        self.conflicts += [
            f"{found.product.path}: {found.problem}"
            for found, (fate, _) in zip(seen.products, choices, strict=True)
            if fate == MOVE and found.problem
        ]
        joining = [found for found, (fate, _) in zip(seen.products, choices, strict=True) if fate == MOVE]
        self.recreate = self.recreate and bool(joining)
        replaced = {found.product.pipefile for found in joining}
        kept = [f for f in seen.pool if joining and not self.recreate and f.product.pipefile not in replaced]
        naming = self._names(kept, joining)
        fates = tuple(
            Fate(found.product, fate, naming.final.get(found.product.pipefile, "") if fate == MOVE else "", why)
            for found, (fate, why) in zip(seen.products, choices, strict=True)
        )
        pool = tuple(self._renamed(found, naming) for found in kept)
        moving, stay = self._abs(fates)
        places = self._places(kept if joining else list(seen.pool), fates, naming)
        first = self._retired_pool(replaced, bool(joining))
        found = extras(seen, self.settings, {ab.name for ab in moving}, bool(stay))
        carried, more_first, last = list(found.carried.values()), found.first, found.last
        self.warnings += found.warnings
        abs_, logged = self._updates(moving, places)
        more_first += [older(seen, Path(entry.target)) for entry in abs_ if Path(entry.target).name in seen.logs_there]
        last += self._vcal(places)
        leaving = {fate.product.path for fate in fates if fate.fate == DELETE}
        leaving |= {entry.path for entry in (*first, *more_first, *last)}
        edited = pages(seen, carried, self._moved(fates, pool, carried, abs_), leaving)
        self.warnings += edited.warnings
        rewritten = {page.source for page in edited.moving}
        self._warn_of_needed(fates)
        self._refuse_occupied(fates, pool)
        self._refuse_archived(pool)
        self._warn_of_archived(first)
        call, export = self._calls(bool(joining), bool(moving))
        held_back = (*(name for name, _ in stay if self._open(name)), *self._unreadable())
        empty = not (moving or joining or any(fate == DELETE for fate, _ in choices))
        return MovePlan(
            mode=seen.mode,
            date=seen.date,
            recreate=self.recreate,
            final_dir=str(self.final_dir),
            only=seen.only,
            stamp=self.stamp,
            far=seen.far,
            fates=fates,
            pool=tuple(entry for entry in pool if entry.source != entry.target),
            retired_first=(*first, *more_first),
            carried=tuple(entry for entry in carried if entry.source not in rewritten),
            pages=edited.moving,
            retired_last=tuple(last),
            abs=tuple(abs_),
            logged=(*logged, *edited.standing),
            stay=tuple(stay),
            folders=tuple(str(seen.tree.product / raw_type / seen.date) for raw_type in self._raw_types()),
            directories=tuple(str(path) for path in (self.final_dir, self.log_dir, self.plot_dir)),
            undecided=tuple(
                ab.name
                for ab in seen.abs
                if seen.standings[ab.name].standing == UNDECIDED and seen.standings[ab.name].by == ab.name
            ),
            unprocessed=tuple(ab.name for ab in seen.abs if ab.status == "CREATED" and not ab.runs_no_recipe),
            unfinished=held_back,
            unknown=naming.unknown,
            conflicts=(*self.conflicts, *naming.conflicts),
            warnings=tuple(self.warnings),
            notes=tuple(notes(seen, self.settings, self.fates.rows, fates, self._renames())),
            script=self._script(kept, fates, naming),
            call=call,
            export=export,
            statuses=self._statuses(bool(held_back), empty),
            by_score=seen.by_score,
            certified=tuple((ab.name, *seen.judged[ab.name]) for ab in moving if ab.name in seen.judged),
            stamps=(
                *seen.stamps,
                *((found.product.path, found.product.size, found.mtime_ns) for found in (*seen.products, *seen.pool)),
                *((extra.path, extra.size, extra.mtime_ns) for extra in seen.extras),
            ),
        )

    def _moved(
        self, fates: tuple[Fate, ...], pool: tuple[Carry, ...], carried: list[Carry], abs_: list[AbUpdate]
    ) -> dict[str, str]:
        """Every path that changes, old to new."""
        products = {fate.product.path: str(self.final_dir / fate.final) for fate in fates if fate.fate == MOVE}
        others = {entry.source: entry.target for entry in (*pool, *carried) if entry.source != entry.target}
        return products | others | {entry.source: entry.target for entry in abs_}

    def _warn_of_needed(self, fates: tuple[Fate, ...]) -> None:
        """What another AB still needs should be saved."""
        wanted = [(row.raw_type, row.catg) for row in self.settings.move.delete]
        wanted += [(fate.product.raw_type, fate.product.catg) for fate in fates if fate.fate == DELETE]
        for raw_type, catg in dict.fromkeys(wanted):
            row, needed_by = self.fates.rows.get(raw_type), self.seen.needed.get(catg)
            why = self.fates.not_saved(row, catg) if row and needed_by else ""
            if why:
                self.warnings.append(f"{why}: {needed_by} needs a file of category {catg}")

    def _unreadable(self) -> tuple[str, ...]:
        """AB files that cannot be read, where products wait that belong to no AB: one of them may be theirs."""
        if not any(found.product.ab == "" for found in self.seen.products):
            return ()
        self.warnings += [f"{text}; products that belong to no AB stay" for text in self.seen.refused]
        return tuple(text.partition(": ")[0] for text in self.seen.refused)

    def _renames(self) -> bool:
        return self.settings.move.rename.get(self.seen.mode, False)  # type: ignore[call-overload, no-any-return]

    def _script(self, kept: list[Found], fates: tuple[Fate, ...], naming: Naming) -> str:
        """rn_files for what stands in the final directory after the move."""
        if not any(fate.final for fate in fates) or not self._renames():
            return ""
        products = [*(found.product for found in kept), *(fate.product for fate in fates if fate.final)]
        pairs = sorted((plain_name(product), naming.final.get(product.pipefile, "")) for product in products)
        return rn_files_text(((old, new) for old, new in pairs if new), self.seen.mode, self.seen.date, self.stamp)

    def _refuse_archived(self, pool: tuple[Carry, ...]) -> None:
        """A name the archive knows may not change here alone."""
        for change in pool:
            old, new = Path(change.source).name, Path(change.target).name
            if old != new and old in self.seen.archived and not self.settings.archive.enable_updates:
                self.conflicts.append(
                    f"{old} is in the archive under this name and would be called {new}, by what joins it"
                    " (archive.enable_updates lets it be delivered again)"
                )

    def _warn_of_archived(self, retired: list[Retire]) -> None:
        """What the archive has confirmed should not go unnoticed."""
        names = [Path(entry.path).name for entry in retired if Path(entry.path).name in self.seen.archived]
        if names:
            what = f"{len(names)} product{'s' * (len(names) != 1)} to the trash, in the archive already"
            self.warnings.append(f"{what}: {', '.join(names[:3])}{f' and {len(names) - 3} more' * (len(names) > 3)}")

    def _calls(self, joining: bool, moving: bool) -> tuple[str, str]:
        """The lines for JOBS_INGEST and JOBS_EXPORT."""
        pool = f"-m {self.seen.mode} -d {self.seen.date}"
        ingest = joining and self.settings.archive.ingest.get(self.seen.mode, True)  # type: ignore[call-overload]
        export = moving and self.settings.export.active
        return f"ingestProducts {pool}" if ingest else "", f"exportProducts {pool}" if export else ""

    # --- products ---------------------------------------------------------------------------

    def _names(self, kept: list[Found], joining: list[Found]) -> Naming:
        for found in kept:
            if found.problem:
                self.conflicts.append(f"{found.product.path}: {found.problem}")
        sound = [found for found in (*kept, *joining) if not found.problem]
        if not self._renames():
            return plain_names(found.product for found in sound)
        pool = [found.named or named_of(found) for found in sound]
        naming = names(pool, self.settings.rename, self.seen.mode, self.seen.date)
        plain = {found.product.pipefile: plain_name(found.product) for found in sound}
        final = {name: plain[name] if name in self.unnamed else new for name, new in naming.final.items()}
        return replace(naming, final=final)

    def _renamed(self, found: Found, naming: Naming) -> Carry:
        name = naming.final.get(found.product.pipefile, Path(found.product.path).name)
        return Carry(found.product.path, str(self.final_dir / name), "pool", found.product.size)

    def _refuse_occupied(self, fates: tuple[Fate, ...], pool: tuple[Carry, ...]) -> None:
        """Names that are taken by something that does not make way."""
        leaving = {Path(found.product.path).name for found in self.seen.pool}
        renamed = {Path(change.source).name for change in pool if change.source != change.target}
        for fate in fates:
            header = f"{stem_of(fate.final)}.hdr"
            if fate.final and header in self.seen.final and header not in renamed and not self.recreate:
                self.conflicts.append(f"{fate.product.pipefile}: {header} stands in {self.final_dir}, archived already")
            size = self.seen.final.get(fate.final, 0) if fate.final else 0
            if size < 0 or (fate.final in self.seen.final and fate.final not in leaving and not self.recreate):
                self.conflicts.append(f"{fate.product.pipefile}: {self.final_dir / fate.final} is taken")

    def _retired_pool(self, replaced: set[str], moving: bool) -> list[Retire]:
        if not moving:
            return []
        script = [Retire(str(self.final_dir / NAME), "an older version", self.seen.script)]
        script = script if self.seen.script >= 0 else []
        if self.recreate:
            files = [(str(self.final_dir / name), size) for name, size in self.seen.final.items() if size >= 0]
            return [Retire(path, "recreate", size) for path, size in files] + script
        older = [found for found in self.seen.pool if found.product.pipefile in replaced]
        self.conflicts += [
            f"{found.product.pipefile}: {Path(found.product.path).name} stands for it, archived and slimmed already"
            for found in older
            if found.product.path.endswith(".hdr")
        ]
        why = "an older solution of the same PIPEFILE"
        return [Retire(found.product.path, why, found.product.size) for found in older] + script

    # --- ABs --------------------------------------------------------------------------------

    def _abs(self, fates: tuple[Fate, ...]) -> tuple[list[AB], list[tuple[str, str]]]:
        """The ABs that go along, and those that stay with the reason why."""
        by_ab: dict[str, list[Fate]] = {}
        for fate in fates:
            by_ab.setdefault(fate.product.ab, []).append(fate)
        moving: list[AB] = []
        stay: list[tuple[str, str]] = []
        for ab in self.seen.abs:
            standing, mine = self.seen.standings[ab.name], by_ab.get(ab.name, [])
            if standing.standing != READY:
                stay.append((ab.name, standing.why))
            elif ab.raw_type not in self.fates.rows:
                stay.append((ab.name, self.fates.unconfigured(ab.raw_type)))
            elif mine and all(fate.fate == WITHHELD for fate in mine):
                stay.append((ab.name, f"its products stay: {mine[0].why}"))
            else:
                moving.append(ab)
                self._refuse_gone(ab)
        return moving, stay

    def _refuse_gone(self, ab: AB) -> None:
        """What its recipe made and is to be saved must be there, unless the plugin took it away."""
        for product in ab.products:
            wanted = (
                product.state != RETIRED
                and not self.fates.not_saved(self.fates.rows[ab.raw_type], product.catg)
                and product.name not in self.withheld
            )
            if wanted and product.name not in self.there:
                self.conflicts.append(f"{product.name} ({product.catg}) of {ab.name} is gone")

    def _open(self, name: str) -> bool:
        """True when an AB that stays keeps the date from being finished; a rejected one does not."""
        return self.seen.standings[name].standing in (UNFINISHED, UNDECIDED)

    def _places(self, pool: list[Found], fates: tuple[Fate, ...], naming: Naming) -> Places:
        final: dict[str, str] = {}
        for found in () if self.recreate else pool:
            current = Path(found.product.path).name
            name = naming.final.get(found.product.pipefile, current)
            called = f"{stem_of(name)}.fits" if name.endswith(".hdr") else name  # ABs go on naming the product itself
            final |= {f"{stem_of(current)}{suffix}": called for suffix in SUFFIXES}
            final[current] = final[found.product.pipefile] = called
        final.update({fate.product.pipefile: fate.final for fate in fates if fate.final})
        path = self.seen.tree.shorten(self.final_dir)
        here = {old: f"{path}/{new}" for old, new in final.items()}
        here |= {f"{self.seen.date}/{old}": new for old, new in here.items()}  # before what stands there now
        return Places(
            final,
            path,
            {**self.seen.parents, **here},
            checked=self.settings.update.checks(self.seen.mode),
            complete=True,
            there=frozenset(Path(extra.path).name for extra in self.seen.extras)
            | self.seen.logs_there.keys()
            | self.seen.plots_there.keys(),
            unkept=frozenset(row.format for row in self.settings.move.graphics if not row.save) | {"ps"},
        )

    def _places_of(self, ab: AB, places: Places) -> Places:
        """The places as this AB means its names: products may have been renamed since it was written."""
        if ab.name not in self.seen.earlier:
            return places
        used, paths = self.seen.earlier[ab.name]
        names = {old: places.names[now] for old, now in used.items() if now in places.names}
        parents = {}
        for old, path in paths.items():
            folder, _, name = path.rpartition("/")
            here = places.names.get(name, "") if folder == places.path else ""
            parents[old] = f"{folder}/{here}" if here else path
        return replace(places, names={**places.names, **names}, parents={**places.parents, **parents})

    def _updates(self, moving: list[AB], places: Places) -> tuple[list[AbUpdate], list[AbUpdate]]:
        heads = {ab.name for ab in reviewed(self.seen.abs, self.settings)}
        fresh = []
        for ab in moving:
            standing = self.seen.standings[ab.name]
            verdict = standing.verdict
            frames = pattern(ab, self.settings) if ab.name in heads else ""
            signed = (
                Certificate(verdict.verdict, verdict.who, verdict.when, verdict.comment, frames, standing.by)
                if verdict
                else None
            )
            self.warnings += [f"{ab.name}: {what}" for what in missing(ab, places)]
            text = (
                updated(ab, self._places_of(ab, places), self.stamp, signed).render().decode("utf-8", "surrogateescape")
            )
            fresh.append(AbUpdate(ab.name, str(self.seen.tree.ab / ab.name), str(self.log_dir / ab.name), text))
        names_ = {ab.name for ab in moving}
        again = []
        for ab in self.seen.logged:
            new = updated(ab, self._places_of(ab, places), self.stamp)
            if ab.name not in names_ and new is not ab:
                text = new.render().decode("utf-8", "surrogateescape")
                again.append(AbUpdate(ab.name, "", str(self.log_dir / ab.name), text))
        return fresh, again

    # --- everything else --------------------------------------------------------------------

    def _vcal(self, places: Places) -> list[Retire]:
        """Virtual calibrations that became real; one without a real counterpart stays (step 2.11)."""
        gone = superseded(self.seen.vcal, places.names.keys())
        return [Retire(path, "this virtual calibration is real now", self.seen.vcal[path]) for path in gone]

    def _raw_types(self) -> list[str]:
        return list(dict.fromkeys([*self.fates.rows, *(ab.raw_type for ab in self.seen.abs)]))

    def _statuses(self, held_back: bool, empty: bool) -> tuple[str, ...]:
        if self.seen.date == NO_STATUS or empty:
            return ()
        stem = "cal" if self.seen.mode == "CALIB" else "sci"
        return (f"{stem}_Updated",) if held_back or self.seen.others else (f"{stem}_Updated", f"{stem}_Finished")


def named_of(found: Found) -> Named:
    """What the name of a product is made of."""
    return Named(found.product, _tag(found.product.pipefile), found.keys)


def _tag(pipefile: str) -> str:
    try:
        return tag_of(pipefile.removeprefix("r.").rpartition("_")[0] + ".ab")
    except BadAb:
        return ""
