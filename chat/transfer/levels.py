"""Trees level by level, without recursion: however deep they are, and whatever a file calls a tree."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def levels(parents: Mapping[Key, Key | None]) -> list[list[Key]]:
    """The roots, their children, and so on; siblings in the order in which `parents` has them.

    What has an unknown parent is a root. What is in a circle, or hangs on one, is on no level.
    """
    children: dict[Key | None, list[Key]] = {}
    for key, parent in parents.items():
        children.setdefault(parent if parent in parents else None, []).append(key)
    found = []
    level = children.get(None, [])
    while level:
        found.append(level)
        level = [child for key in level for child in children.get(key, ())]
    return found
