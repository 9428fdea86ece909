"""Picture at the left, evidence at the right: what one AB is judged by, looked up ahead of time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from screens import theme
from screens.glyphs import Glyphs, width_of
from screens.links import Library
from screens.look_up import LookUps
from screens.review.reviewed import Picture, Review
from screens.start import start
from screens.widgets.evidence import evidence_lines
from screens.widgets.lines import LineBlock, spread
from screens.widgets.listing import Listing
from screens.widgets.picture import PictureView

_LEFT = 34  # cells of the picture at 80 columns
_Key = tuple[str, str, int, int]


class ReviewPane(Horizontal):
    """Shows the review of one AB. Posts `Loaded` when its evidence came, or could not be had."""

    class Loaded(Message):
        """The evidence of `ab` is there (`ReviewPane.ready`), or `ReviewPane.trouble` says why not."""

        def __init__(self, ab: str) -> None:
            self.ab = ab
            super().__init__()

    def __init__(self, library: Library, graphics: str, glyphs: Glyphs) -> None:
        super().__init__(id="review")
        self.ab = ""
        self.trouble = ""
        self._library = library
        self._graphics = graphics
        self._glyphs = glyphs
        self._reviews: LookUps[Review] = LookUps(512)
        self._pictures: LookUps[Picture | None] = LookUps(32)
        self._wanted = ""  # the picture chosen, by name: holds from AB to AB

    def compose(self) -> ComposeResult:
        """Caption and picture, a gap, the evidence."""
        with Vertical(id="left"):
            yield LineBlock(self._glyphs, id="caption")
            yield PictureView(self._graphics, id="picture")
        yield LineBlock(self._glyphs, id="gap")
        yield Listing(self._glyphs, choosing=False, id="evidence")

    def on_unmount(self) -> None:
        """Stop looking things up."""
        self._reviews.close()
        self._pictures.close()

    def on_resize(self, event: events.Resize) -> None:
        """A larger terminal gets a larger picture, at most 4:3."""
        width, height = event.size
        tall = max(1, height - 1) * 2
        self.query_one("#left").styles.width = max(min(_LEFT, width // 2), min(width * 43 // 100, tall * 4 // 3))
        self.call_after_refresh(self._again)

    # --- what a screen asks -------------------------------------------------------------------

    def show(self, ab: str) -> None:
        """Show an AB, at once when it was looked up before; what stands stays while the same AB is renewed."""
        if ab != self.ab:
            self.ab, self.trouble = ab, ""
            self.query_one("#evidence", Listing).top = 0
            self._fill(self.ready(ab))
        if ab:
            start(self, self._load, ab, group="show", exclusive=True)

    def ready(self, ab: str) -> Review | None:
        """The review, if it is there."""
        return self._reviews.ready(ab)

    async def review(self, ab: str) -> Review:
        """The review, waited for."""
        return await self._reviews.get(ab, lambda: self._library.review(ab))

    def forget(self, ab: str) -> None:
        """The AB changed: its review is out of date, and its pictures with it."""
        self._reviews.forget(ab)
        self._pictures.forget_all(lambda key: isinstance(key, tuple) and key[0] == ab)

    def ahead(self, abs: Iterable[str]) -> None:
        """Look up what is likely to be asked for next."""
        for ab in abs:
            if ab:
                start(self, self._ahead, ab, group="ahead")

    def next_picture(self, by: int) -> bool:
        """Switch the picture; False when there is no other."""
        review = self.ready(self.ab)
        if review is None or len(review.pictures) < 2:
            return False
        at = review.pictures.index(self._chosen(review))
        self._wanted = review.pictures[(at + by) % len(review.pictures)]
        self._again()
        return True

    # --- looking up ---------------------------------------------------------------------------

    def _again(self) -> None:
        review = self.ready(self.ab)
        if review:
            self._fill(review)
        self.show(self.ab)

    async def _load(self, ab: str) -> None:
        try:
            review = await self.review(ab)
        except Exception as trouble:  # noqa: BLE001 - evidence that cannot be had is said, the sitting goes on
            self.trouble = str(trouble) or repr(trouble)
            self._fill(None)
            self.post_message(self.Loaded(ab))
            return
        self.trouble = ""
        self._fill(review)
        self.post_message(self.Loaded(ab))
        if self._chosen(review):
            try:
                await self._picture(review)
            except Exception as trouble:  # noqa: BLE001 - as for the evidence
                self.query_one(PictureView).show(None, str(trouble) or repr(trouble))
            else:
                self._fill_picture(review)

    async def _ahead(self, ab: str) -> None:
        try:
            review = await self.review(ab)
            if self._chosen(review):
                await self._picture(review)
        except Exception:  # noqa: BLE001 - told when the AB is on the screen
            return

    def _chosen(self, review: Review) -> str:
        if self._wanted in review.pictures:
            return self._wanted
        return review.pictures[0] if review.pictures else ""

    def _key(self, review: Review) -> _Key:
        return (review.ab, self._chosen(review), *self.query_one(PictureView).wanted)

    def _picture(self, review: Review) -> Awaitable[Picture | None]:
        key = self._key(review)
        make: Callable[[], Awaitable[Picture | None]] = lambda: self._library.picture(*key)  # noqa: E731
        return self._pictures.get(key, make)

    # --- drawing ------------------------------------------------------------------------------

    def _fill(self, review: Review | None) -> None:
        listing = self.query_one("#evidence", Listing)
        width = listing.size.width or self.size.width - _LEFT - 1
        listing.fill([[line] for line in evidence_lines(review, width - 1, self._glyphs)] if review else [])
        self._fill_picture(review)

    def _fill_picture(self, review: Review | None) -> None:
        view = self.query_one(PictureView)
        name = self._chosen(review) if review else ""
        if review is None or not name:
            self._caption("", "")
            view.show(None, "no picture" if review else "")
            return
        key = self._key(review)
        picture = self._pictures.ready(key)
        others = [other for other in review.pictures if other != name]
        self._caption(picture.caption if picture and picture.caption else name, others[0] if others else "")
        view.show(picture, f"{name} cannot be had" if self._pictures.known(key) else "")

    def _caption(self, caption: str, other: str) -> None:
        width = self.query_one("#left").size.width
        caption, other = f" {self._glyphs.clean(caption)}", self._glyphs.clean(other)
        room = width - width_of(caption) - 2
        other = next((text for text in (f"tab: {other} ", "tab: more ") if other and width_of(text) <= room), "")
        line = spread([(caption, theme.BOLD)], [(other, theme.DIM)], width, self._glyphs)
        self.query_one("#caption", LineBlock).say([line] if caption.strip() else [])
