r"""Where Markdown holds a formula: `\( \)`, `\[ \]`, `$…$` and `$$…$$`, as rules of markdown-it.

What a line begins never depends on lines after the next blank one, so that a streamed answer can be cut into
blocks that stay as they are.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from chat.markdown.mathml import MAX_LATEX

_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}

_BODIES = {
    "\\(": re.compile(r"\\\(((?:[^\\]|\\[^)])++)\\\)"),
    "\\[": re.compile(r"\\\[((?:[^\\]|\\[^\]])++)\\\]"),
    "$$": re.compile(r"\$\$((?:[^\\$]|\\.|\$(?!\$))++)\$\$", re.DOTALL),
    # As in pandoc: no space inside the dollars, nothing of a word outside. And no code: `$` is common in shells.
    "$": re.compile(r"(?<![\w$\\])\$(?![\s$])((?:[^\\$`\n]|\\[^\n])++)(?<!\s)\$(?![\w$])"),
}
_PRICE = re.compile(r"\d[^\\]*\s[A-Za-z]{2,}[^\\]*")


def formulas(parser: MarkdownIt) -> None:
    """A plugin of markdown-it: tokens `math_inline`, `math_display` (both inline) and `math_block`."""
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("table", "math_block", _block, {"alt": interrupts})
    parser.inline.ruler.before("escape", "math_inline", _inline)


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "\\$":
        return False
    opener = state.src[state.pos : state.pos + 2]
    opener = opener if opener in _CLOSERS else opener[:1]
    match = _body(state, opener)
    if match is None:
        return False
    if not silent:
        state.push("math_display" if opener in ("$$", "\\[") else "math_inline", "math", 0).content = match[1]
    state.pos = match.end()
    return True


def _body(state: StateInline, opener: str) -> re.Match[str] | None:
    end = min(state.posMax, state.pos + MAX_LATEX)
    if opener not in _BODIES or state.src.find(_CLOSERS.get(opener, opener), state.pos + 1, end) < 0:
        return None
    match = _BODIES[opener].match(state.src, state.pos, end)
    is_price = match is not None and opener == "$" and _PRICE.fullmatch(match[1]) is not None
    return None if is_price else match


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = _line(state, start)
    closer = _CLOSERS.get(first[:2]) if first[:2] != "\\(" else None
    if closer is None:
        return False
    rest = first[2:]
    at = rest.find(closer)
    if at >= 0:  # all in one line, and nothing else there
        if not rest[:at].strip() or at != len(rest) - 2:
            return False
        return silent or _push(state, start, start + 1, is_closed=True)
    if silent:
        return not rest
    after, is_closed = _extent(state, start, end, closer)
    return _push(state, start, after, is_closed=is_closed)


def _extent(state: StateBlock, start: int, end: int, closer: str) -> tuple[int, bool]:
    """Up to the line that ends with `closer`; without one, up to a blank line or the container's end."""
    has_closer = False
    for line in range(start + 1, end):
        text = _line(state, line)
        if not text or state.sCount[line] < state.blkIndent:
            return line, False
        if not has_closer and text.endswith(closer) and text.find(closer) == len(text) - 2:
            return line + 1, True
        has_closer = has_closer or closer in text
    return end, False


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


def _push(state: StateBlock, start: int, after: int, *, is_closed: bool) -> bool:
    text = state.getLines(start, after, state.blkIndent, False).strip()
    state.line = after
    if is_closed or state.env.get("is_open"):
        token = state.push("math_block" if is_closed else "math_source", "math", 0)
        token.block = True
        token.content = text[2:-2] if is_closed else text
        token.map = [start, after]
        return True
    state.push("paragraph_open", "p", 1).map = [start, after]
    inline = state.push("inline", "", 0)
    inline.content, inline.children, inline.map = text, [], [start, after]
    state.push("paragraph_close", "p", -1)
    return True
