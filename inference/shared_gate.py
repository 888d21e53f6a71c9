"""The gate that all processes of the site share, in Redis: a sorted set of leases, scored by when they end.

A place is a lease that its holder renews; whoever dies is forgotten when the lease ends, by Redis's own clock.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from inference.errors import BusyError, GateUnreachableError, InferenceError
from inference.listeners import Listener, Listeners

logger = logging.getLogger(__name__)

KEY = "localai:gate"
LEASE_SECONDS = 10.0
POLL_SECONDS = 0.5
BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 5.0)
ANSWER_SECONDS = 2.0
"""Within this time Redis answers, or it is away."""

# Each script is one step for all processes. They answer with the tokens of all leases that run.
_FORGET = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
"""
_ANSWER = "return redis.call('ZRANGE', KEYS[1], 0, -1)"
LOOK = _FORGET + _ANSWER
RENEW = _FORGET + "redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])" + _ANSWER
LEAVE = _FORGET + "redis.call('ZREM', KEYS[1], ARGV[1])" + _ANSWER
# Taking is repeated when the connection breaks: who is in already stays in.
TAKE = f"""{_FORGET}
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[3]) or redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
{_ANSWER}"""


class SharedGate:
    """Admits up to `width` holders in all processes together; exact, also when many come at once.

    `held` is what this process last heard: its own changes at once, those of others by a poll.
    A place lost while Redis was away is taken again by the next renewal, for its holder still runs.
    """

    def __init__(
        self,
        width: int,
        redis_url: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.width = width
        self._redis_url = redis_url
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._tokens: frozenset[str] = frozenset()
        self._changes = 0
        self._listeners = Listeners()
        self._keepers: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def held(self) -> int:
        return len(self._tokens)

    @property
    def is_full(self) -> bool:
        return self.held >= self.width

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Take a place for the length of the block; raises BusyError or GateUnreachableError."""
        self._begin_to_watch()
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        has_left = asyncio.Event()
        keeper = asyncio.create_task(self._keep(self._client(), admitted, has_left))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        keeper.add_done_callback(lambda _: admitted.cancel())  # for one that was ended before it knew
        try:
            await admitted
            yield
        finally:
            has_left.set()
            # Cancelled once more, this does not wait; the place is given back all the same.
            await asyncio.shield(keeper)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` after every change of `held`, whichever process made it."""
        self._listeners.add(listener)
        self._begin_to_watch()

    async def close(self) -> None:
        """Watch the other processes no longer, until the gate is used again."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])

    async def _keep(self, client: Redis, admitted: asyncio.Future[None], has_left: asyncio.Event) -> None:
        """Own one lease from taking to giving back, in this order whatever is cancelled meanwhile."""
        token = uuid.uuid4().hex
        async with client:
            try:
                await self._take(client, token)
            except InferenceError as error:
                if not admitted.cancelled():
                    admitted.set_exception(error)
                return
            try:
                if not admitted.cancelled():
                    admitted.set_result(None)
                await self._renew(client, token, has_left)
            finally:
                await self._leave(client, token)

    async def _take(self, client: Redis, token: str) -> None:
        tokens = await self._ask(client, TAKE, token, self._lease_milliseconds, self.width)
        if token not in tokens:
            self._know(tokens)  # so that the end of what is in the way is noticed and told
            raise BusyError
        self._know(self._tokens | {token})

    async def _renew(self, client: Redis, token: str, has_left: asyncio.Event) -> None:
        while not await _is_set_within(has_left, self._lease_seconds * 0.3):
            try:
                await self._ask(client, RENEW, token, self._lease_milliseconds)
            except GateUnreachableError as error:
                logger.warning("A place at the gate could not be renewed; the reply goes on: %s", error.__cause__)

    async def _leave(self, client: Redis, token: str) -> None:
        try:
            await self._ask(client, LEAVE, token)
        except GateUnreachableError as error:
            logger.warning("A place at the gate could not be given back; its lease ends soon: %s", error.__cause__)
        finally:
            self._know(self._tokens - {token})

    def _begin_to_watch(self) -> None:
        if self._watcher is None or self._watcher.done():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # nobody's fault: without a loop, the first who holds begins
                return
            self._watcher = loop.create_task(self._watch())

    async def _watch(self) -> None:
        """Notice what other processes change and which leases end."""
        failures = 0
        async with self._client() as client:
            while True:
                try:
                    await self._look(client)
                except GateUnreachableError as error:
                    if not failures:
                        logger.warning("The gate cannot be watched: %s", error.__cause__)
                    pause = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
                    failures += 1
                else:
                    if failures:
                        logger.info("The gate is watched again.")
                    pause, failures = self._poll_seconds, 0
                await asyncio.sleep(pause)

    async def _look(self, client: Redis) -> None:
        changes = self._changes
        tokens = await self._ask(client, LOOK)
        if changes == self._changes:  # else the answer may be older than what is known
            self._know(tokens)

    def _know(self, tokens: frozenset[str]) -> None:
        before = self.held
        self._tokens = tokens
        self._changes += 1
        if self.held != before:
            self._listeners.tell()

    def _client(self) -> Redis:
        """One for each task: a client belongs to one event loop."""
        retry = Retry(NoBackoff(), 1)
        return Redis.from_url(
            self._redis_url, decode_responses=True, retry=retry, socket_connect_timeout=ANSWER_SECONDS
        )

    async def _ask(self, client: Redis, script: str, *arguments: str | int) -> frozenset[str]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return frozenset(await client.eval(script, 1, KEY, *arguments))
        except Exception as error:  # Redis's fault, whatever class its client has for it
            raise GateUnreachableError from error

    @property
    def _lease_milliseconds(self) -> int:
        return round(self._lease_seconds * 1000)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
