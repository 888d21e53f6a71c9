"""What is sent to each address: an object of the owner in it, and a form that would do something."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from chat import sidebar
from chat.accounts import second_factor
from chat.models import Conversation
from chat.transfer import document
from tests.access.cast import PASSWORD, Cast

Values = Mapping[str, object]

ELSEWHERE = "203.0.113.7"
NEW_PASSWORD = "another-horse-8"


@dataclass(frozen=True, slots=True)
class Case:
    """What stands behind an address in docs/access.md, after a comma: whose object it is, or how the site is set up."""

    values: Callable[[Cast], Values] = lambda _cast: {}
    form: Callable[[Cast], Values] | None = None
    prepare: Callable[[Cast], object] = lambda _cast: None
    settings: Values = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    network: str = "127.0.0.1"


CASES: Mapping[str, Case] = {
    "": Case(),
    "with `ALLOW_SIGNUP`": Case(settings={"ALLOW_SIGNUP": True}),
    "with `EMAIL_URL`": Case(settings={"CAN_SEND_EMAIL": True}),
    "used already": Case(prepare=lambda cast: cast.invitation.claim()),
    "set up just now": Case(prepare=lambda cast: [second_factor.begun(person) for person in cast.people.values()]),
    "from another network": Case(network=ELSEWHERE),
    "through a proxy": Case(headers={"X-Forwarded-For": ELSEWHERE}),
    "with `METRICS_TOKEN`": Case(
        settings={"METRICS_TOKEN": "watcher"}, headers={"Authorization": "Bearer watcher"}, network=ELSEWHERE
    ),
    "of a superuser": Case(values=lambda cast: _of_person(cast.people["superuser"])),
    "of a reviewer": Case(values=lambda cast: _of_person(cast.people["reviewer"])),
    "another's message": Case(
        values=lambda cast: {"message": cast.other.answer.pk},
        form=lambda cast: {"action": "version", "message": cast.other.answer.pk, "prompt": "", "rating": 1},
    ),
    "after the owner's": Case(form=lambda cast: {"input": "Hello?", "previous_response_id": cast.owner.response.pk}),
}


def url_of(address: str, case: str, cast: Cast) -> str:
    values = _values(address, cast) | dict(CASES[case].values(cast))
    return re.sub(r"<(\w+)>", lambda match: str(values[match[1]]), address).replace("/api or v1/", "/v1/nothing")


def is_program(address: str) -> bool:
    return address.startswith(("/api", "/v1/")) and address not in ("/api/docs", "/api/openapi.json")


def body_of(address: str, case: str, cast: Cast, form: Values | None = None) -> dict[str, object]:
    """As the test client takes it; `form` in place of the example."""
    example = CASES[case].form or FORMS.get(address)
    form = form or (example(cast) if example else {})
    if is_program(address):
        return {"data": json.dumps(form), "content_type": "application/json"}
    return {"data": form}


def _of_person(person: User) -> Values:
    return {"id": person.pk, "object_id": person.pk}


def _values(address: str, cast: Cast) -> dict[str, object]:
    owner, person = cast.owner, cast.people["owner"]
    values: dict[str, object] = {
        "pk": owner.talk.pk,
        "message": owner.answer.pk,
        "form": "markdown",
        "place": sidebar.Place(owner.talk.updated_at, owner.talk.pk),
        "secret": cast.invitation.secret,
        "uidb64": urlsafe_base64_encode(force_bytes(person.pk)),
        "token": default_token_generator.make_token(person),
        "name": "start" if "engine" in address else "demo",
        "response_id": owner.response.pk,
        "app_label": "chat",
        "url": "nothing/here/",
        "content_type_id": ContentType.objects.get_for_model(Conversation).pk,
        "id": person.pk,
    }
    if address.startswith("/settings/"):
        values["pk"] = owner.key.pk if "api-keys" in address else owner.preset.pk
    if address.endswith("/restore/"):
        values["pk"] = owner.deleted.pk
    return values | {"object_id": object_of(address, cast).pk}


def object_of(address: str, cast: Cast) -> Model:
    """What stands in a page of the administrators."""
    objects: dict[str, Model] = {
        "group": Group.objects.get(name="Reviewers"),
        "usagerecord": cast.usage_record,
        "apikey": cast.owner.key,
        "auditentry": cast.audit_entry,
        "conversation": cast.owner.talk,
        "invitation": cast.invitation,
        "message": cast.owner.answer,
        "feedback": cast.owner.answer.feedback,
        "user": cast.people["owner"],
    }
    return objects.get((address + "///").split("/")[3], cast.owner.talk)


_NEW_PASSWORDS = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
_PASSWORDS = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

FORMS: Mapping[str, Callable[[Cast], Values]] = {
    "/accounts/login/": lambda _cast: {"username": "owner", "password": PASSWORD},
    "/accounts/login/code/": lambda _cast: {"code": "123456"},
    "/accounts/two-factor/": lambda _cast: {"do": "begin"},
    "/accounts/signup/": lambda _cast: {"username": "dora", **_PASSWORDS},
    "/accounts/invitation/<secret>/": lambda _cast: {"username": "carl", **_PASSWORDS},
    "/accounts/email/": lambda _cast: {"email": "me@example.org", "password": PASSWORD},
    "/accounts/password/": lambda _cast: {"old_password": PASSWORD, **_NEW_PASSWORDS},
    "/accounts/password/forgotten/": lambda _cast: {"email": "nobody@example.org"},
    "/accounts/password/new/<uidb64>/<token>/": lambda _cast: _NEW_PASSWORDS,
    "/admin/password_change/": lambda _cast: {"old_password": PASSWORD, **_NEW_PASSWORDS},
    "/admin/login/": lambda _cast: {"username": "superuser", "password": PASSWORD},
    "/admin/auth/group/add/": lambda _cast: {"name": "Friends"},
    "/admin/auth/group/<object_id>/change/": lambda _cast: {"name": "Readers"},
    "/admin/auth/user/add/": lambda _cast: {"username": "dora", "usable_password": "true", **_PASSWORDS},
    "/admin/auth/user/<object_id>/change/": lambda cast: _person_form(cast.people["owner"]),
    "/admin/auth/user/<id>/password/": lambda _cast: {"usable_password": "true", **_PASSWORDS},
    "/admin/chat/invitation/add/": lambda _cast: {"name": "Eve", "days": 7},
    "/admin/chat/conversation/<pk>/note/": lambda _cast: {"text": "Looks fine."},
    "/admin/chat/conversation/<pk>/flag/": lambda _cast: {"flag": "done"},
    "/c/<pk>/prompt/": lambda _cast: {"prompt": "Hello?"},
    "/c/<pk>/meter/": lambda _cast: {"prompt": "Hel"},
    "/c/<pk>/act/": lambda cast: {"action": "version", "message": cast.owner.answer.pk},
    "/c/<pk>/feedback/<message>/": lambda _cast: {"rating": 1, "note": "Well said."},
    "/c/<pk>/rename/": lambda _cast: {"title": "Nuts"},
    "/c/<pk>/mark/": lambda _cast: {"mark": "pin"},
    "/c/<pk>/settings/": lambda _cast: {"source": "own", "instructions": "Be brief."},
    "/import/": lambda cast: {"file": SimpleUploadedFile("talk.json", _exported(cast.owner.talk))},
    "/settings/": lambda _cast: {"theme": "dark"},
    "/settings/theme/": lambda _cast: {"theme": "dark"},
    "/settings/api-keys/": lambda _cast: {"name": "Laptop"},
    "/settings/presets/": lambda _cast: {"name": "Brief", "instructions": "Be brief."},
    "/settings/presets/<pk>/": lambda _cast: {"name": "Brief", "instructions": "Be brief."},
    "/api/generate": lambda _cast: {"prompt": "Hello?"},
    "/v1/chat/completions": lambda _cast: {"messages": [{"role": "user", "content": "Hello?"}]},
    "/v1/responses": lambda _cast: {"input": "Hello?"},
}
for _model in ("auth/group", "chat/conversation", "chat/invitation", "auth/user"):
    FORMS = {**FORMS, f"/admin/{_model}/<object_id>/delete/": lambda _cast: {"post": "yes"}}


def _exported(talk: Conversation) -> bytes:
    return json.dumps(document.write(talk)).encode()


def _person_form(person: User) -> Values:
    return {
        "username": person.username,
        "first_name": "Ann",
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        "daily_limits-TOTAL_FORMS": 0,
        "daily_limits-INITIAL_FORMS": 0,
    }
