"""What people see of their own has nothing of anybody else in it, and nothing of anybody else can be slipped in."""

from __future__ import annotations

import io
import zipfile

import pytest

from chat.orders import Ask, Continue, Order, OrderError, Regenerate
from tests.access import table
from tests.access.cast import PEOPLE, Cast
from tests.access.visit import visit

pytestmark = pytest.mark.django_db

WORD = "walnuts"
"""Of the owner alone; it is in all that they have."""

QUERIES = {"/search/": "?q=It+is", "/settings/": "?back={talk}", "/settings/api-keys/": "?back={talk}"}
SHOWN_TO_THE_OWNER = {"/older/<place>/", "/search/", "/archived/", "/notice/", "/export/", "/settings/"} | {
    "/settings/api-keys/"
}
PAGES = [row.name for row in table.rows("One's own pages") if "GET" in row.detail]


def text_of(actor: str, page: str, cast: Cast) -> str:
    query = QUERIES.get(page, "").format(talk=cast.owner.talk.pk)
    body = visit(cast, actor, "GET", page + query).body
    if not body.startswith(b"PK"):
        return body.decode()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


@pytest.mark.parametrize("page", PAGES)
def test_ones_own_pages_have_nothing_of_anybody_else(page: str, cast: Cast) -> None:
    assert (WORD in text_of("owner", page, cast)) is (page in SHOWN_TO_THE_OWNER)
    for person in set(PEOPLE) - {"owner"}:
        text = text_of(person, page, cast)
        assert WORD not in text
        assert str(cast.owner.talk.pk) not in text


def test_orders_about_anothers_messages_are_refused(cast: Cast) -> None:
    """Whichever way they came: through the page's socket or a form."""
    theirs = cast.other
    orders: list[Order] = [
        Continue(theirs.answer.pk),
        Continue(theirs.answer.pk, answers_now=True),
        Regenerate(theirs.answer.pk),
        Ask("Hello?", None, edits=theirs.prompt.pk),
    ]
    for order in orders:
        with pytest.raises(OrderError, match="This message is gone"):
            order.request(cast.owner.talk)
