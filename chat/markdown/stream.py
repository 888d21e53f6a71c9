"""An answer's Markdown as HTML while it is written: blocks that are final, once, and the one that still grows."""

from __future__ import annotations

from markdown_it.token import Token

from chat.markdown.document import Document, clean, offset, parser, to_html
from chat.markdown.open_blocks import Change, OpenFence, OpenText, open_fence, open_text
from chat.markdown.open_container import CONTAINERS, OpenContainer
from chat.markdown.prose import is_closed

NOTHING = OpenText("", "", is_paragraph=False)


class Stream:
    """All that was closed, and the last open block after it, is what `document.render` makes of the whole text."""

    def __init__(self) -> None:
        self._document = Document()
        self._text: list[str] = []
        self._closed: list[str] = []
        self._held = ""
        self._tail = ""
        self._complete = 0
        self._last: Token | None = None
        self._way: OpenText | OpenFence | OpenContainer = NOTHING

    @property
    def html(self) -> str:
        """What a page shows that has seen every change."""
        return self.closed + self.open

    @property
    def closed(self) -> str:
        return "".join(self._closed)

    @property
    def open(self) -> str:
        return self._way.html

    def feed(self, text: str) -> Change:
        """The cost is that of the open block's last part, and of what closes."""
        self._tail += self._take(text)
        return self._way.grow(self._tail) or self._parse()

    def finish(self) -> Change:
        """Nothing is open after this."""
        self._text.append(clean(self._held))
        closed = self._document.render(self._tail + self._text[-1])
        is_whole = self._document.references.is_late
        if is_whole:
            closed = Document().render("".join(self._text))
            self._closed.clear()
        self._closed.append(closed)
        self._way = NOTHING
        return Change(closed=closed, open="", is_whole=is_whole)

    def _take(self, text: str) -> str:
        """Half a line end, or half a character, waits for the other half."""
        text = self._held + text
        self._held = text[-1:] if text.endswith("\r") or "\ud800" <= text[-1:] <= "\udbff" else ""
        self._text.append(clean(text.removesuffix(self._held)))
        return self._text[-1]

    def _parse(self) -> Change:
        closed = self._close()
        env = self._document.open_env()
        html = to_html(parser().parse(self._tail, env), env)
        self._way = self._way_for(html, is_new=bool(closed))
        return Change(closed=closed, open=self._way.html)

    def _way_for(self, html: str, *, is_new: bool) -> OpenText | OpenFence | OpenContainer:
        kind, at = "", 0
        if self._last is not None and self._last.map is not None:
            kind, at = self._last.type, offset(self._tail, self._last.map[0])
        if kind == "fence" and (fence := open_fence(self._tail, html, at)):
            return fence
        if kind in CONTAINERS:
            return OpenContainer(self._tail, html, kind, at, self._document.open_env)
        return open_text(self._tail, html)

    def _close(self) -> str:
        """Render what is final, and cut it off. Only complete lines tell.

        The last block may go on; so may link definitions before it, which are no blocks: they wait with it.
        """
        complete = self._tail.rfind("\n") + 1
        if complete == self._complete:
            return ""
        blocks = _blocks(self._tail[:complete])
        self._last = blocks.pop() if blocks and not _is_final(blocks[-1], self._tail[:complete]) else None
        lines = blocks[-1].map[1] if blocks and blocks[-1].map else 0
        cut = offset(self._tail, lines)
        closed = self._document.render(self._tail[:cut])
        self._tail, self._complete = self._tail[cut:], complete - cut
        if self._last is not None and self._last.map is not None:
            self._last.map = [line - lines for line in self._last.map]
        self._closed.append(closed)
        return closed


def _is_final(block: Token, text: str) -> bool:
    """Can nothing after `text`, whose last block this is, change it?"""
    start, end = block.map or (0, 0)
    if block.type == "paragraph_open":
        return end < text.count("\n")
    if block.type == "heading_open":  # it may be a table's first line
        return "|" not in text[offset(text, start) : offset(text, end)]
    return block.type in ("hr", "math_block") or (block.type == "fence" and is_closed(block))


def _blocks(text: str) -> list[Token]:
    tokens: list[Token] = []
    parser().block.parse(text, parser(), {}, tokens)
    return [token for token in tokens if token.level == 0 and token.nesting >= 0]
