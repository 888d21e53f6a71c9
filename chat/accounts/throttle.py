"""How often one may try: to log in, to guess a password, to make accounts and letters.

Counted in Django's cache, which several processes share through Redis, in windows of fixed length. A try is counted
before its password is looked at, so that many at once are not one, and given back when it was right.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django import forms
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import ngettext
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

CODE = "throttled"
"""Of the error that tells to wait."""

HOUR_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` tries within `seconds`, for each subject."""

    name: str
    most: int
    seconds: int

    def of(self, *subject: str) -> Tally:
        digest = hashlib.sha256("\n".join(subject).encode(errors="surrogatepass")).hexdigest()
        window = int(time.time() // self.seconds)
        return Tally(self, f"throttle:{self.name}:{window}:{digest}", (window + 1) * self.seconds)


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one subject, until `end`, in seconds since the epoch."""

    limit: Limit
    key: str
    end: int

    def take(self) -> None:
        """Raises forms.ValidationError that tells how long to wait."""
        cache.add(self.key, 0, self.limit.seconds + 1)
        if cache.incr(self.key) > self.limit.most:
            raise too_many(self.end - time.time())

    def give_back(self) -> None:
        cache.decr(self.key)


def take(tallies: Sequence[Tally]) -> None:
    """One of each, in their order, up to the first that is full. Raises forms.ValidationError."""
    for tally in tallies:
        _try(tally.take)


def give_back(tallies: Sequence[Tally]) -> None:
    for tally in tallies:
        _try(tally.give_back)


def _try(step: Callable[[], None]) -> None:
    """Without Redis nobody is kept out: the password is still asked for, and costs its time."""
    try:
        step()
    except (RedisError, ValueError) as error:  # ValueError: the window has ended meanwhile
        logger.warning("A try could not be counted: %s", type(error).__name__)


def too_many(seconds: float) -> forms.ValidationError:
    minutes = max(1, math.ceil(seconds / 60))
    text = ngettext(
        "Too many tries. Wait a minute, then try again.",
        "Too many tries. Wait %(minutes)d minutes, then try again.",
        minutes,
    )
    return forms.ValidationError(text % {"minutes": minutes}, code=CODE)


def address_of(request: HttpRequest) -> str:
    """From where somebody asks; of IPv6 the network, as one person has all of its addresses.

    What X-Forwarded-For says last is the proxy's own word. It counts where there is one by HTTPS, or on this machine.
    """
    asked_from = _parsed(request.META.get("REMOTE_ADDR", ""))
    told = _parsed(request.headers.get("X-Forwarded-For", "").rpartition(",")[2])
    is_through_proxy = settings.HTTPS or asked_from is None or asked_from.is_loopback
    address = told if told and is_through_proxy else asked_from
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or "unknown")


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
