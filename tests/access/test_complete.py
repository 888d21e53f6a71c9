"""Nothing of the site is missing in docs/access.md, and nothing is in it that is no more; a hole is found."""

from __future__ import annotations

from collections import Counter

import pytest
from django.contrib import admin
from pytest_django import Settings

from tests.access import table
from tests.access.addresses import addresses
from tests.access.cast import Cast
from tests.access.columns import ALL, PAGE_ACTORS
from tests.access.table import Row
from tests.access.visit import disagreements


def incompleteness(there: list[str], told: set[str], what: str) -> list[str]:
    missing = [f"{name} has no line in docs/access.md. Add one that says who may use this {what}." for name in there]
    gone = [f"{name} is in docs/access.md, but there is no such {what} any more. Remove the line." for name in told]
    return [line for line, name in zip(missing, there, strict=True) if name not in told] + [
        line for line, name in zip(gone, told, strict=True) if name not in there
    ]


def of_addresses() -> list[str]:
    told = {row.name for heading in ALL for row in table.rows(heading)}
    return incompleteness(addresses(), told, "address")


def test_every_address_has_its_lines_and_every_line_its_address() -> None:
    assert not of_addresses()


def test_no_two_addresses_look_the_same_here() -> None:
    assert [name for name, times in Counter(addresses()).items() if times > 1] == []


def test_every_line_stands_once() -> None:
    rows = [row for heading in ALL for row in table.rows(heading)]
    lines = [(row.name, row.case, method) for row in rows for method in row.detail.split()]
    assert [line for line, times in Counter(lines).items() if times > 1] == []


def test_every_action_of_the_managements_lists_has_its_line() -> None:
    everywhere = [name for name, _ in admin.site.actions]
    there = [
        f"{model._meta.app_label}/{model._meta.model_name}/ {action}"
        for model, model_admin in admin.site._registry.items()
        for action in [*everywhere, *map(str, model_admin.actions or ())]
    ]
    rows = table.rows("Actions of the management's lists")
    assert not incompleteness(there, {f"{row.name.removeprefix('/admin/')} {row.detail}" for row in rows}, "action")


def test_a_new_view_without_a_line_is_found(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.access.unprotected_urls"
    assert of_addresses() == [
        "/admin/everything/ has no line in docs/access.md. Add one that says who may use this address.",
        "/c/<pk>/summary/ has no line in docs/access.md. Add one that says who may use this address.",
    ]


def test_a_line_of_a_view_that_is_no_more_is_found(settings: Settings) -> None:
    settings.ROOT_URLCONF = "inference.urls"
    assert "/new/ is in docs/access.md, but there is no such address any more. Remove the line." in of_addresses()


@pytest.mark.django_db
def test_a_view_that_forgot_to_protect_itself_is_found(settings: Settings, cast: Cast) -> None:
    """Also where its author wrote the line that it should have."""
    settings.ROOT_URLCONF = "tests.access.unprotected_urls"
    managers = Row("/admin/everything/", "", "GET", {"nobody": "log in", "members": "log in", "superusers": "yes"})
    owners = Row("/c/<pk>/summary/", "", "GET", {"nobody": "log in", "owner": "yes", "others": "404"})
    found = disagreements(cast, managers, PAGE_ACTORS) + disagreements(cast, owners, PAGE_ACTORS)
    assert "GET /admin/everything/ by anonymous: yes; the table says log in" in found
    assert "GET /admin/everything/ by owner: yes; the table says log in" in found
    assert "GET /c/<pk>/summary/ by disabled: yes; the table says log in" in found
    assert "GET /c/<pk>/summary/ by other: yes; the table says 404" in found
    assert "GET /c/<pk>/summary/ by superuser: yes; the table says 404" in found
