"""The one socket of a page: it hears hints, and says nothing."""

import asyncio
import contextlib
import json
import logging
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError
from django.http import HttpRequest

from tradingsite.live.broadcast import TOPICS, group_name

VERSION = 1
PAUSE_SECONDS = 0.25
# The page calls itself stale after 5 s of silence. Dead connections are found by the
# transport's own ping every 20 s.
BEAT_SECONDS = 2.0
SESSION_SECONDS = 60.0

SIGNED_OUT = 4401
BAD_REQUEST = 4400
NOT_UNDERSTOOD = 4408
TRY_AGAIN = 1013

log = logging.getLogger(__name__)


class LiveConsumer(AsyncWebsocketConsumer):
    """Sends `{v, seq, topic, account, version}`: newest wins, at most four rounds a second."""

    async def connect(self) -> None:
        """Accept a signed-in user who asks for known topics; refusals carry a close code."""
        self.seq = 0
        self.fresh: dict[tuple[str, int], str] = {}
        self.wake = asyncio.Event()
        self.sender: asyncio.Task[None] | None = None
        self.topics: tuple[str, ...] = ()
        # Closing before accepting would reach the browser as 1006 without a reason.
        await self.accept()
        if not await self._is_signed_in():
            await self.close(SIGNED_OUT)
            return
        topics = asked_topics(self.scope["query_string"])
        if topics is None:
            await self.close(BAD_REQUEST)
            return
        await self._listen(topics)

    async def _listen(self, topics: tuple[str, ...]) -> None:
        try:
            for topic in topics:
                await self.channel_layer.group_add(group_name(topic), self.channel_name)
        except Exception as error:  # noqa: BLE001  (the layer raises Redis' and its own)
            log.warning("live socket refused: %s", error)
            await self.close(TRY_AGAIN)
            return
        self.topics = topics
        await self._say("hello", 0, "")
        self.sender = asyncio.create_task(self._send_for_ever())

    async def disconnect(self, code: int) -> None:
        """Leave every group and stop sending."""
        if self.sender is not None:
            self.sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self.sender
        for topic in self.topics:
            # With Redis away there is nothing left to leave.
            with contextlib.suppress(Exception):
                await self.channel_layer.group_discard(group_name(topic), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Hang up: a page has nothing to say here."""
        await self.close(NOT_UNDERSTOOD)

    async def hint(self, message: dict[str, Any]) -> None:
        """Keep the newest version; never wait for a slow browser here."""
        self.fresh[message["topic"], message["account"]] = message["version"]
        self.wake.set()

    async def _send_for_ever(self) -> None:
        clock = asyncio.get_running_loop().time
        checked = clock()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), BEAT_SECONDS)
            self.wake.clear()
            if clock() - checked >= SESSION_SECONDS:
                checked = clock()
                if not await self._is_signed_in():
                    await self.close(SIGNED_OUT)
                    return
            fresh, self.fresh = self.fresh, {}
            for (topic, account), version in fresh.items():
                await self._say(topic, account, version)
            if not fresh:
                await self._say("beat", 0, "")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _say(self, topic: str, account: int, version: str) -> None:
        self.seq += 1
        body = {"v": VERSION, "seq": self.seq, "topic": topic}
        await self.send(json.dumps(body | {"account": account, "version": version}))

    async def _is_signed_in(self) -> bool:
        """Tell whether the session still belongs to an active user; the database is asked."""
        session = self.scope.get("session")
        key = session.session_key if session is not None else None
        try:
            return bool(key) and await database_sync_to_async(session_is_live)(key)
        except DatabaseError as error:
            # No answer is no evidence: a page stays open through a restart of the database.
            log.warning("live socket could not check its session: %s", error)
            return self.seq > 0


def session_is_live(session_key: str) -> bool:
    """Tell whether that stored session is signed in to an active account."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return get_user(request).is_authenticated


def asked_topics(query: bytes) -> tuple[str, ...] | None:
    """Return the known topics of `?topics=desk,orders`, None when any is unknown."""
    try:
        given = parse_qs(query.decode("ascii"), max_num_fields=4).get("topics", ["desk"])
    except ValueError:
        return None
    topics = tuple(sorted(set(given[0].split(","))))
    return topics if set(topics) <= set(TOPICS) else None
