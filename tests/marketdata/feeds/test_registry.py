"""Every feed of the folder is found."""

from marketdata.feeds.registry import load_feeds


def test_load_feeds_when_loaded_knows_every_file() -> None:
    assert list(load_feeds()) == ["ccxt", "files", "replay", "sample_stocks", "websocket"]
