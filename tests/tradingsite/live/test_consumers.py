"""The page's socket: who may listen, what is heard, what ends it."""

import asyncio
import json
from importlib import import_module

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User

from tradingsite.asgi import application
from tradingsite.live import consumers
from tradingsite.live.consumers import asked_topics

pytestmark = pytest.mark.django_db(transaction=True)

HOST = b"localhost"


class Page(ApplicationCommunicator):
    """A browser's end of the socket (channels.testing needs the daphne server)."""

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output(timeout=5))["type"] == "websocket.accept"

    async def say(self, **frame: object) -> None:
        await self.send_input({"type": "websocket.receive", **frame})

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)


def session_of(name: str) -> str:
    """Return the cookie of a new signed-in session."""
    user = User.objects.create_user(name, password="let-me-in-please")
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store.session_key


def socket(key: str = "", topics: str = "desk,orders", origin: bytes = b"http://localhost") -> Page:
    cookie = f"{settings.SESSION_COOKIE_NAME}={key}".encode()
    headers = [(b"host", HOST), (b"origin", origin), (b"cookie", cookie)]
    scope = {
        "type": "websocket",
        "path": "/ws/live/",
        "query_string": f"topics={topics}".encode(),
        "headers": headers,
        "subprotocols": [],
    }
    return Page(application, scope)


async def signed_in(topics: str = "desk,orders") -> Page:
    key = await database_sync_to_async(session_of)("anna")
    page = socket(key, topics)
    assert await page.connect()
    assert await heard(page) == {"v": 1, "seq": 1, "topic": "hello", "account": 0, "version": ""}
    return page


async def heard(page: Page) -> dict[str, object]:
    return json.loads((await page.receive_output(timeout=5))["text"])


async def close_code(page: Page) -> int:
    output = await page.receive_output(timeout=5)
    assert output["type"] == "websocket.close"
    return output["code"]


async def say(topic: str, version: str, account: int = 1) -> None:
    message = {"type": "hint", "topic": topic, "account": account, "version": version}
    await get_channel_layer().group_send(f"live.{topic}", message)


async def test_connect_when_signed_out_closes_with_4401():
    page = socket()
    assert await page.connect()
    assert await close_code(page) == consumers.SIGNED_OUT


async def test_connect_when_the_session_is_made_up_closes_with_4401():
    page = socket("0" * 32)
    assert await page.connect()
    assert await close_code(page) == consumers.SIGNED_OUT


async def test_connect_when_the_origin_is_foreign_is_refused():
    key = await database_sync_to_async(session_of)("anna")
    assert not await socket(key, origin=b"http://evil.example").connect()


async def test_connect_when_a_topic_is_unknown_closes_with_4400():
    key = await database_sync_to_async(session_of)("anna")
    page = socket(key, "desk,secrets")
    assert await page.connect()
    assert await close_code(page) == consumers.BAD_REQUEST


async def test_hint_when_its_topic_was_asked_for_arrives_in_order():
    page = await signed_in()
    await say("orders", "41")
    assert await heard(page) == {
        "v": 1,
        "seq": 2,
        "topic": "orders",
        "account": 1,
        "version": "41",
    }
    await page.disconnect()


async def test_hint_when_many_come_at_once_only_the_newest_is_told():
    page = await signed_in("desk")
    for version in range(200):
        await say("desk", str(version))
    versions = []
    while not versions or versions[-1] != "199":
        message = await heard(page)
        versions += [message["version"]] if message["topic"] == "desk" else []
    assert len(versions) < 20
    await page.disconnect()


async def test_silence_when_nothing_happens_is_broken_by_beats(monkeypatch):
    monkeypatch.setattr(consumers, "BEAT_SECONDS", 0.1)
    page = await signed_in()
    beats = 0
    async with asyncio.timeout(5):  # hints of an earlier test may still be on their way
        while beats < 2:
            beats += (await heard(page))["topic"] == "beat"
    await page.disconnect()


@pytest.mark.parametrize("said", ["{}", "garbage", "x" * 100_000])
async def test_receive_when_the_page_speaks_hangs_up(said):
    page = await signed_in()
    await page.say(text=said)
    assert await close_code(page) == consumers.NOT_UNDERSTOOD


async def test_receive_when_bytes_come_hangs_up():
    page = await signed_in()
    await page.say(bytes=b"\xff\x00")
    assert await close_code(page) == consumers.NOT_UNDERSTOOD


@pytest.mark.parametrize("loss", ["is_active", "password", "session"])
async def test_session_when_it_ends_the_socket_ends(loss, monkeypatch):
    monkeypatch.setattr(consumers, "SESSION_SECONDS", 0.0)
    monkeypatch.setattr(consumers, "BEAT_SECONDS", 0.1)
    page = await signed_in()
    await database_sync_to_async(take_away)(loss)
    async with asyncio.timeout(5):
        while (output := await page.receive_output(timeout=5))["type"] != "websocket.close":
            pass
    assert output["code"] == consumers.SIGNED_OUT


def take_away(loss: str) -> None:
    """End the session in one of the ways a session ends."""
    user = User.objects.get(username="anna")
    if loss == "is_active":
        user.is_active = False
    if loss == "password":
        user.set_password("another-password")
    user.save()
    if loss == "session":
        engine = import_module(settings.SESSION_ENGINE)
        engine.SessionStore.get_model_class().objects.all().delete()


@pytest.mark.parametrize(
    ("query", "topics"),
    [
        (b"topics=desk", ("desk",)),
        (b"", ("desk",)),
        (b"topics=orders,desk,desk", ("desk", "orders")),
        (b"topics=desk,", None),
        (b"topics=\xff", None),
        (b"&".join([b"a=1"] * 50), None),
    ],
)
def test_asked_topics_when_anything_is_unknown_is_none(query, topics):
    assert asked_topics(query) == topics
