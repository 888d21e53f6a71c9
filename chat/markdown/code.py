"""A block of code: its frame with the language's name and a Copy button, and its colours as Pygments' classes."""

from __future__ import annotations

from functools import cache, lru_cache

from django.utils.html import escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class, get_all_lexers

MAX_HIGHLIGHTED = 50_000
"""Characters; longer code stays plain."""

MAX_LABEL = 30
PLAIN_LANGUAGES = frozenset({"", "output", "plain", "plaintext", "text", "txt"})

_HEAD = '<div class="code"><div class="code-head"><span>{label}</span>{button}</div><pre tabindex="0">'
_BUTTON = '<button type="button" class="quiet" data-action="copy-code">Copy</button>'
_CODE = "<code>"
GROWS = '<code class="grows">'
FOOT = "</code></pre></div>\n"


def code_block(source: str, language: str) -> str:
    return _head(language) + _coloured(source, language) + FOOT


def open_code_block(source: str, language: str, *, grows: bool) -> str:
    """The same while it is being written: not coloured yet. With `grows`, text may be added at its end."""
    return _head(language).removesuffix(_CODE) + (GROWS if grows else _CODE) + escape(source) + FOOT


def _head(language: str) -> str:
    label = _lexers().get(language.lower(), language[:MAX_LABEL])
    return _HEAD.format(label=escape(label), button=_BUTTON) + _CODE


def _coloured(source: str, language: str) -> str:
    name = _lexers().get(language.lower())
    if name is None or language.lower() in PLAIN_LANGUAGES or len(source) > MAX_HIGHLIGHTED:
        return escape(source)
    return _highlighted(source, name)


@lru_cache(maxsize=32)
def _highlighted(source: str, lexer_name: str) -> str:
    """Cached for lists that hold code: they are rendered again while they grow."""
    lexer = find_lexer_class(lexer_name)
    if lexer is None:
        return escape(source)
    return highlight(source, lexer(stripnl=False), HtmlFormatter(nowrap=True))


@cache
def _lexers() -> dict[str, str]:
    """Lexers by alias, without plugins: these are looked for on the disk again and again."""
    return {alias: name for name, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases}
