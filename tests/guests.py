"""People who are logged in from the start: made within a site by `manage.py shell`, with a session for each."""

from __future__ import annotations

import json

from tests.site_process import SiteProcess
from tests.viewer import Person

CSRF_TOKEN = "0123456789abcdefghijklmnopqrstuv"  # of the right form, which is all that a cookie needs
MAKE = """
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.conf import settings

def session_of(user):
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store.session_key

people = [User(username=f"NAME{number}", password="!") for number in range(COUNT)]
User.objects.bulk_create(people)
print(json.dumps([session_of(user) for user in User.objects.filter(username__startswith="NAME").order_by("pk")]))
"""


class Guest(Person):
    """Has never typed a password."""

    def __init__(self, session_key: str) -> None:
        self.cookies = {"sessionid": session_key, "csrftoken": CSRF_TOKEN}


def guests(site: SiteProcess, count: int, name: str = "guest") -> list[Guest]:
    """So many new people, named with a number behind `name`."""
    done = site.manage("shell", "-v0", "-c", MAKE.replace("NAME", name).replace("COUNT", str(count)))
    assert done.returncode == 0, done.stderr
    return [Guest(key) for key in json.loads(done.stdout)]
