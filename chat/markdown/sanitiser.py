"""The second wall: whatever the Markdown parser let through, only this list reaches a page.

There is no id, no style, no event handler, no `hx-` attribute and nothing that loads by itself.
"""

from __future__ import annotations

from functools import cache

import nh3
from pygments.token import STANDARD_TYPES

PROSE_TAGS = frozenset(
    "a blockquote br button code div em h3 h4 h5 h6 hr input li ol p pre s span strong "
    "table tbody td th thead tr ul".split()
)
MATH_TAGS = frozenset(
    "math menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace msqrt "
    "mstyle msub msubsup msup mtable mtd mtext mtr munder munderover".split()
)
MATH_ATTRIBUTES = frozenset(
    "accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height largeop "
    "linebreak linethickness lspace mathsize mathvariant maxsize minsize movablelimits notation rowlines rowspacing "
    "rspace scriptlevel separator stretchy symmetric voffset width".split()
)
ALIGNMENTS = frozenset({"left", "center", "right"})


def sanitise(html: str) -> str:
    return _cleaner().clean(html)


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=PROSE_TAGS | MATH_TAGS,
        attributes={
            "a": {"href", "title"},
            "input": {"aria-label", "checked", "disabled"},
            "ol": {"start"},
            **dict.fromkeys(MATH_TAGS, MATH_ATTRIBUTES),
        },
        tag_attribute_values={
            "button": {"type": {"button"}, "data-action": {"copy-code"}},
            "div": {"tabindex": {"0"}},
            "input": {"type": {"checkbox"}},
            "pre": {"tabindex": {"0"}},
        },
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes={
            "a": {"image"},
            "button": {"quiet"},
            "code": {"formula", "grows"},
            "div": {"code", "code-head", "formula", "table"},
            "li": {"latest", "task-list-item"},
            "ol": {"grows"},
            "p": {"grows"},
            "span": {name for name in STANDARD_TYPES.values() if name},
            "tbody": {"grows"},
            "td": set(ALIGNMENTS),
            "th": set(ALIGNMENTS),
            "tr": {"latest"},
            "ul": {"grows"},
        },
        link_rel="noopener noreferrer nofollow",
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
    )
