"""Who asks for what a column of docs/access.md says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.access.cast import DEAD_KEYS, NOBODY, PEOPLE

Actors = Mapping[str, Sequence[str]]

STAFF = {"staff": "staff", "reviewers": "reviewer", "managers": "manager", "viewers": "viewer"}
PAGE_ACTORS: Actors = {
    "nobody": (*NOBODY, "key", *DEAD_KEYS),
    "people": PEOPLE,
    "owner": ("owner",),
    "others": tuple(person for person in PEOPLE if person != "owner"),
    "members": ("owner", "other"),
    **{column: (actor,) for column, actor in STAFF.items()},
    "superusers": ("superuser",),
}
"""On pages a key opens nothing."""

API_ACTORS: Actors = {
    "nobody": NOBODY,
    "key": ("key",),
    "session": ("owner",),
    "others": ("other's key", "other", "superuser"),
    "dead key": DEAD_KEYS,
}

PAGES = ("Accounts", "Conversations", "One's own pages", "Management", "The machine")
ALL: Mapping[str, Actors] = {**dict.fromkeys(PAGES, PAGE_ACTORS), "The API": API_ACTORS}
"""Heading → actors."""
