"""Markdown as HTML that is safe to show. `render` makes the whole of an answer; `chat.markdown.stream` its pieces."""

from __future__ import annotations

import logging
import re
from collections import ChainMap
from collections.abc import Sequence
from functools import cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_noop
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, paragraph, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

from chat.markdown import prose
from chat.markdown.formulas import formulas
from chat.markdown.sanitiser import sanitise

logger = logging.getLogger(__name__)

Env = dict[str, object]

VERSION = 1
"""Of what `render` makes of a text: raised when that changes, for finished answers are kept as HTML."""

LABELS = {
    'aria-label="Done">': gettext_noop("Done"),
    'aria-label="To do">': gettext_noop("To do"),
    ">Copy</button>": gettext_noop("Copy"),
}
"""Our own words in rendered HTML, with what is beside them there."""

MAX_LEVEL = 40
"""Containers within containers (a list counts two); what is deeper is a paragraph, for markdown-it would drop it."""

MAX_BRACKETS = 500
"""In one paragraph; and so many columns in a table. markdown-it's time grows with the square of either."""

MAX_COLUMNS = 64
PROTOCOLS = ("http", "https", "mailto", "xmpp")

_NOT_TEXT = re.compile("[\x00\r\ud800-\udfff]")
_HIDDEN_SCHEMES = ("data:", "file:", "javascript:", "vbscript:")


class References(dict[str, object]):
    """Link definitions, which remember what was asked for before it was defined."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: set[str] = set()

    def get(self, label: str, default: object = None) -> object:
        if label not in self:
            self.missed.add(label)
        return super().get(label, default)

    @property
    def is_late(self) -> bool:
        """Has something been defined after it was asked for?"""
        return not self.missed.isdisjoint(self)


class Document:
    """What the blocks of one answer share."""

    def __init__(self) -> None:
        self.references = References()
        self._headings: list[int] = []

    def render(self, text: str) -> str:
        """Blocks that are final."""
        env: Env = {"references": self.references, "headings": self._headings}
        return to_html(parser().parse(text, env), env)

    def open_env(self) -> Env:
        """For blocks that may still change: nothing of them stays in the document."""
        references: ChainMap[str, object] = ChainMap({}, self.references)
        return {"references": references, "headings": self._headings.copy(), "is_open": True}


def render(text: str) -> SafeString:
    """The whole of an answer; as plain text if rendering breaks, for no answer may be lost for its looks."""
    try:
        html = Document().render(clean(text))
    except Exception:  # ours, or the parser's fault
        logger.exception("An answer of %d characters could not be rendered.", len(text))
        html = f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
    return mark_safe(html)  # noqa: S308 - sanitised, or escaped


def localised(html: str) -> SafeString:
    """Rendered HTML in the reader's language: kept answers have English labels.

    No text of a model is mistaken for one: there `<` and `>` are escaped.
    """
    for english, translated in LABELS.items():
        if english in html:
            html = html.replace(english, english.replace(translated, gettext(translated)))
    return mark_safe(html)  # noqa: S308 - sanitised


def to_html(tokens: Sequence[Token], env: Env) -> str:
    return sanitise(parser().renderer.render(tokens, parser().options, env))


def clean(text: str) -> str:
    """Line ends as markdown-it wants them; characters that are none replaced."""
    if _NOT_TEXT.search(text) is None:
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        """A link that is not valid is shown as it was written."""
        return not url.strip().lower().startswith(_HIDDEN_SCHEMES)


def offset(text: str, line: int) -> int:
    """Where a line begins; the first is 0."""
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1 or len(text)
    return at


@cache
def parser() -> MarkdownIt:
    """GitHub's Markdown without HTML, with formulas."""
    made = _Parser("commonmark", {"html": False, "tasklists": True, "maxNesting": 100}, renderer_cls=_renderer)
    made.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    made.use(gfm_autolink_plugin).use(formulas)
    made.block.ruler.before("table", "too_deep", _too_deep)
    made.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    made.inline.ruler.before("link", "too_many", _too_many)
    made.inline.ruler.before("gfm_autolink_protocol", "colon", _colon)
    made.core.ruler.push("safe_links", prose.safe_links)
    made.core.ruler.push("mark_last", prose.mark_last)
    return made


def _renderer(parser: MarkdownIt) -> prose.ProseRenderer:
    return prose.ProseRenderer(parser)


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return not silent and state.level >= MAX_LEVEL and paragraph(state, start, end, False)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    is_wide = state.src.count("|", state.bMarks[start], state.eMarks[start]) > MAX_COLUMNS
    return not is_wide and table(state, start, end, silent)


def _too_many(state: StateInline, silent: bool) -> bool:
    return state.src[state.pos] in "![" and state.src.count("[") > MAX_BRACKETS and _take_character(state, silent)


def _colon(state: StateInline, silent: bool) -> bool:
    """Spare markdown-it a search through the whole paragraph for each colon."""
    is_link = state.pending.endswith(PROTOCOLS)
    return state.src[state.pos] == ":" and not is_link and _take_character(state, silent)


def _take_character(state: StateInline, silent: bool) -> bool:
    if not silent:
        state.append_pending(state.src[state.pos])
    state.pos += 1
    return True
