"""What docs/access.md says of all its lines: methods without a line do nothing, forms need their token."""

from __future__ import annotations

import pytest

from tests.access import table
from tests.access.addresses import addresses
from tests.access.cast import CSRF_TOKEN, Cast
from tests.access.columns import ALL
from tests.access.examples import is_program
from tests.access.visit import visit

pytestmark = pytest.mark.django_db

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
PROBES = ("/healthz", "/readyz")
"""They tell the same whatever is sent."""

UNKNOWN = "/api or v1/"

FORGERIES = {
    "no token": {},
    "a wrong token": {"X-CSRFToken": "f" * 32},
    "another site's page": {"X-CSRFToken": CSRF_TOKEN, "Origin": "https://elsewhere.example"},
}


def listed(address: str) -> set[str]:
    rows = [row for heading in ALL for row in table.rows(heading) if row.name == address]
    return {method for row in rows for method in row.detail.split()}


@pytest.mark.parametrize("address", [address for address in addresses() if address not in PROBES])
def test_a_forged_form_is_refused(address: str, cast: Cast) -> None:
    for method in UNSAFE:
        expected = "403"
        if address == UNKNOWN:
            expected = "404"
        elif is_program(address) and method not in listed(address):
            expected = "405"  # the API looks at the token last
        for forgery, headers in FORGERIES.items():
            for actor in ("owner", "superuser"):
                outcome = visit(cast, actor, method, address, headers=headers)
                assert outcome.word == expected, f"{method} {address} by {actor} with {forgery}: {outcome.word}"
                assert not outcome.writes


@pytest.mark.parametrize("address", [address for address in addresses() if address not in PROBES])
def test_a_method_without_a_line_does_nothing(address: str, cast: Cast) -> None:
    for actor in ("anonymous", "key", "owner", "superuser"):
        shown = visit(cast, actor, "GET", address)
        for method in {"GET", *UNSAFE} - listed(address):
            outcome = visit(cast, actor, method, address)
            is_as_shown = method not in ("GET", "POST") and outcome.word == shown.word
            assert outcome.is_refusal or is_as_shown, f"{method} {address} by {actor}: {outcome.word}. Add a line."
            assert set(outcome.writes) <= set(shown.writes), f"{method} {address} by {actor} wrote {outcome.writes}"
