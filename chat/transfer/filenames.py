"""Names of files that any system takes, from titles that anybody wrote."""

from __future__ import annotations

import re
import unicodedata

from django.utils.translation import gettext as _

LONGEST_NAME = 80
UNFIT = re.compile(r'[\\/:*?"<>|\s]+')
HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def stem(title: str) -> str:
    """The title without what a file's name must not have; never empty, a path or a hidden file."""
    shown = "".join(sign for sign in title if unicodedata.category(sign) not in HIDDEN_CATEGORIES or sign.isspace())
    return UNFIT.sub(" ", shown).strip(" .~-")[:LONGEST_NAME].strip() or _("conversation")
