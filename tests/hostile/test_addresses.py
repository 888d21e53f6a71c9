"""Every address of the site, with any text in its path, its query and its form, by everybody."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.addresses import Address, addresses
from tests.hostile.examples import hostile
from tests.hostile.texts import MARKUP, all_texts, texts
from tests.hostile.visitor import Visitor

NAMES = """
    prompt effort key edits action message with title source preset instructions name own_effort initial-own_effort
    max_tokens do mark theme language rating note days q from edit below back seen wait next username email password
    password1 password2 old_password new_password1 new_password2 file p o e all _popup _to_field _changelist_filters
    period start end user model app_label model_name field_name term id__exact owner__id__exact is_active__exact
    created_at__gte conversation__title ids _selected_action select_across index flagged reason csrfmiddlewaretoken
""".split()
"""What forms and addresses have here, and Django's administration."""
SAFE = ["GET", "HEAD", "OPTIONS"]
ANY = [*SAFE, "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"]

at = st.sampled_from(addresses())
short = all_texts.map(lambda text: text[:400])
query = st.dictionaries(st.sampled_from(NAMES) | texts.map(lambda text: text[:40]), short, max_size=3)
form = st.dictionaries(st.sampled_from(NAMES) | texts.map(lambda text: text[:40]), all_texts, max_size=4)
headers = st.sampled_from([{}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Current-URL": "http://["}])


@pytest.fixture(scope="module")
def whose(bob: Visitor) -> str:
    """The id of Bob's conversation."""
    return bob.new_conversation().strip("/").split("/")[1]


@pytest.mark.parametrize("address", addresses(), ids=lambda it: it.name or it.route)
def test_no_field_is_shown_as_markup(bob: Visitor, whose: str, address: Address) -> None:
    text = "".join(MARKUP[:4])
    fields = dict.fromkeys(NAMES, text)
    for headers in ({}, {"HX-Request": "true"}):
        bob.request("POST", address.path(whose, text), fields=fields, headers=headers)
        bob.request("GET", address.path(whose, text), query=fields, headers=headers)


@hostile(300)
@given(address=at, method=st.sampled_from(ANY), text=short, query=query, form=form, headers=headers)
def test_for_a_person(
    bob: Visitor,
    whose: str,
    address: Address,
    method: str,
    text: str,
    query: dict[str, str],
    form: dict[str, str],
    headers: dict[str, str],
) -> None:
    bob.request(method, address.path(whose, text), query=query, fields=form, headers=headers)
    bob.page("/settings/")  # still logged in


@hostile(100)
@given(address=at, method=st.sampled_from(ANY), text=short, query=query, form=form, headers=headers)
def test_for_nobody(
    stranger: Visitor,
    whose: str,
    address: Address,
    method: str,
    text: str,
    query: dict[str, str],
    form: dict[str, str],
    headers: dict[str, str],
) -> None:
    stranger.request(method, address.path(whose, text), query=query, fields=form, headers=headers)


@hostile(200)
@given(
    address=at.filter(lambda it: it.route.startswith("admin/")), method=st.sampled_from(SAFE), text=short, query=query
)
def test_for_an_administrator_who_looks(
    root: Visitor, whose: str, address: Address, method: str, text: str, query: dict[str, str]
) -> None:
    root.request(method, address.path(whose, text), query=query)


@hostile(60)
@given(address=at.filter(lambda it: it.name.endswith(("_add", "_changelist", "_note", "_flag", "-order"))), form=form)
def test_for_an_administrator_who_sends_forms(
    root: Visitor, whose: str, address: Address, form: dict[str, str]
) -> None:
    root.request("POST", address.path(whose, "no-such-order"), fields=form)


@pytest.mark.parametrize("number", ["0", "1", "9" * 18, "9" * 19, "9" * 400, "9" * 5000])
@pytest.mark.parametrize("address", [each for each in addresses() if "<int:" in each.route], ids=lambda it: it.name)
def test_numbers_however_large(bob: Visitor, whose: str, address: Address, number: str) -> None:
    path = address.path(whose, "").replace("/1/", f"/{number}/")
    for method in ("GET", "POST"):
        assert bob.request(method, path).status_code != httpx.codes.OK


def test_the_walk_finds_the_addresses_of_all_parts() -> None:
    names = {address.name for address in addresses()}
    assert names >= {"search", "api-responses", "admin-usage", "chat_conversation_change", "invitation"}
