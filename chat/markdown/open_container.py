"""A list, a table or a quotation while it grows: only its last two parts (items, rows, blocks) are parsed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markdown_it.token import Token

from chat.markdown.document import Env, offset, parser, to_html
from chat.markdown.open_blocks import LARGE, PARTS, Change
from chat.markdown.sanitiser import sanitise

LISTS = ("bullet_list_open", "ordered_list_open")
CONTAINERS = (*LISTS, "blockquote_open", "table_open")

_PARSED_PARTS = 2
"""A blank line between two items makes both loose, so the last but one is not settled either."""


class OpenContainer:
    """The only block of `tail`; `at` is its beginning."""

    def __init__(self, tail: str, html: str, block_type: str, at: int, open_env: Callable[[], Env]) -> None:
        self._type = block_type
        self._open_env = open_env
        self._head, self._latest, self._foot = "", html, ""
        self._settled: list[str] = []
        self._shown = 0  # so many of the settled are on the page; 0: it must be sent whole
        self._is_loose = False
        self._mark = self._complete = self._rendered = 0
        self._end = ""
        # A table's first two lines, without which its rows are none.
        self._prefix = tail[at : at + offset(tail[at:], 2)] if block_type == "table_open" else ""

    @property
    def html(self) -> str:
        return self._head + "".join(self._settled) + self._latest + self._foot

    def grow(self, tail: str) -> Change | None:
        size = len(tail) - self._mark
        if size > LARGE and len(tail) - self._rendered < size // PARTS:
            return Change()
        self._rendered = len(tail)
        complete = tail.rfind("\n") + 1
        if complete > self._complete and not self._settle(tail[:complete]):
            return None
        self._complete = complete
        return self._show(tail)

    def _settle(self, tail: str) -> bool:
        """Take what changes no more out of what is parsed again. False: the container may have ended."""
        text, env = self._text(tail), self._open_env()
        tokens = parser().parse(text, env)
        parts, end = self._parts(tokens)
        if not parts or _block_end(tokens) != len(tokens):
            return False
        if self._mark and not self._is_loose and self._has_loose(tokens):  # so are the items that are settled
            self._mark, self._shown, self._settled = 0, 0, []
            return self._settle(tail)
        self._loosen(tokens)
        line = tokens[parts[-_PARSED_PARTS]].map if len(parts) > _PARSED_PARTS else None
        if line is not None:
            if not self._mark:
                self._frame(tokens, parts[0], end, env)
            self._settled.append(self._html(tokens[parts[0] : parts[-_PARSED_PARTS]], env))
            self._mark += offset(text, line[0]) - (len(self._prefix) if self._mark else 0)
        return True

    def _frame(self, tokens: Sequence[Token], start: int, end: int, env: Env) -> None:
        """What stands before and after the parts."""
        if self._is_frame_kept:
            tokens[start - 1].attrJoin("class", "grows")
        self._end = _raw(tokens[end:], env)
        self._head = sanitise(_raw(tokens[:start], env) + self._end).removesuffix(self._end)

    def _show(self, tail: str) -> Change | None:
        env = self._open_env()
        tokens = parser().parse(self._text(tail), env)
        if not self._mark:
            self._head, self._latest, self._foot = "", to_html(tokens, env), ""
            return Change(open=self.html)
        parts, end = self._parts(tokens)
        if not parts:
            return None
        self._loosen(tokens)
        for part in parts if self._is_frame_kept else ():
            tokens[part].attrJoin("class", "latest")
        rest = to_html(tokens[_block_end(tokens) :], env)
        self._latest, self._foot = self._html(tokens[parts[0] : end], env), self._end + rest
        shown, self._shown = self._shown, len(self._settled) if self._is_frame_kept and not rest else 0
        if shown and self._shown:
            return Change(grown="".join(self._settled[shown:]) + self._latest)
        return Change(open=self.html)

    @property
    def _is_frame_kept(self) -> bool:
        """Items and rows can be added to what is on the page; of a quotation all is sent again."""
        return self._type != "blockquote_open"

    def _text(self, tail: str) -> str:
        return (self._prefix if self._mark else "") + tail[self._mark :]

    def _parts(self, tokens: Sequence[Token]) -> tuple[list[int], int]:
        """Where the parts of the first block begin, and where the last one ends."""
        if not tokens or tokens[0].type != self._type:
            return [], 0
        end = _block_end(tokens) - 1
        if self._prefix:
            body = [index for index in range(end) if tokens[index].type in ("tbody_open", "tbody_close")]
            if not body:
                return [], 0
            return [index for index in range(*body) if tokens[index].type == "tr_open"], body[1]
        return [index for index in range(end) if tokens[index].level == 1 and tokens[index].nesting >= 0], end

    def _has_loose(self, tokens: Sequence[Token]) -> bool:
        return self._type in LISTS and any(not token.hidden for token in _item_paragraphs(tokens))

    def _loosen(self, tokens: Sequence[Token]) -> None:
        self._is_loose = self._is_loose or self._has_loose(tokens)
        for token in _item_paragraphs(tokens) if self._is_loose else ():
            token.hidden = False

    def _html(self, tokens: Sequence[Token], env: Env) -> str:
        if not self._prefix:
            return to_html(tokens, env)
        around = "<table><tbody>", "</tbody></table>"
        return sanitise(_raw(tokens, env).join(around)).removeprefix(around[0]).removesuffix(around[1])


def _block_end(tokens: Sequence[Token]) -> int:
    """Where the first block ends."""
    return next(index for index, token in enumerate(tokens) if token.level == 0 and token.nesting <= 0) + 1


def _item_paragraphs(tokens: Sequence[Token]) -> list[Token]:
    return [token for token in tokens[: _block_end(tokens)] if token.level == 2 and token.type.startswith("paragraph")]


def _raw(tokens: Sequence[Token], env: Env) -> str:
    return str(parser().renderer.render(tokens, parser().options, env))
