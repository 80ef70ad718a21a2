"""The environment, typed."""

from pathlib import Path

import pytest

from tradingsite import env
from tradingsite.env import BadSettingError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "REDIS_LIVE_URL",
        "PORT",
        "HOST",
        "SECRET_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PLUMBLINE_DATA_DIR", str(tmp_path / "data"))


def test_urls_when_unset_name_the_embedded_sockets(tmp_path: Path) -> None:
    assert env.database_url().startswith("postgresql://plumbline:")
    assert env.redis_url().startswith("unix:///")
    assert env.redis_live_url() == env.redis_url()
    assert env.embedded_names() == ("postgres", "redis")
    assert env.data_dir() == tmp_path / "data"


def test_urls_when_asked_twice_are_the_same() -> None:
    assert (env.database_url(), env.redis_url()) == (
        env.database_url(),
        env.redis_url(),
    )


def test_urls_when_set_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@db:5433/desk")
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/1")
    monkeypatch.setenv("REDIS_LIVE_URL", "rediss://live/0")
    assert env.database_url() == "postgres://u:p@db:5433/desk"
    assert env.redis_url() == "redis://cache:6379/1"
    assert env.redis_live_url() == "rediss://live/0"
    assert env.embedded_names() == ()


def test_empty_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert env.is_embedded("postgres")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:geheim@db/x",
        "postgres://u:geheim@db:port/x",
        "postgres://u:geheim@db",
        "postgres://u:geheim@db/a/b",
        "geheim",
        "postgres://[u:geheim/x",
        "postgres://u:geheim@db:99999/x",
    ],
)
def test_database_url_when_malformed_is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(BadSettingError, match="DATABASE_URL") as refused:
        env.database_url()
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.code == "bad_setting"


@pytest.mark.parametrize(
    "url", ["http://x", "redis://", "redis://h:x", "redis://h/name", "unix://", "6379"]
)
def test_redis_url_when_malformed_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(BadSettingError, match="REDIS_URL"):
        env.redis_url()


def test_database_config_when_given_a_socket_splits_the_url() -> None:
    config = env.database_config("postgresql://u%40x:p%2Fw@/desk?host=/run/sock&sslmode=disable")
    assert config == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "desk",
        "USER": "u@x",
        "PASSWORD": "p/w",
        "HOST": "/run/sock",
        "PORT": "",
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, "sslmode": "disable"},
    }


def test_database_config_when_given_another_name_keeps_the_rest() -> None:
    config = env.database_config("postgres://u:p@db:5433/desk", "sandbox")
    assert (config["NAME"], config["HOST"], config["PORT"]) == ("sandbox", "db", "5433")


def test_with_database_name_changes_the_database_alone() -> None:
    url = env.with_database_name("postgresql://u:p@/desk?host=/run/sock", "sand box")
    assert url == "postgresql://u:p@/sand%20box?host=/run/sock"


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://h:6379/1", "redis://h:6379/1"),
        ("unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock"),
        (
            "unix://:pw@/run/r.sock?db=0",
            "redis+socket://:pw@/run/r.sock?virtual_host=0",
        ),
    ],
)
def test_celery_broker_url_speaks_celerys_dialect(url: str, broker: str) -> None:
    assert env.celery_broker_url(url) == broker


@pytest.mark.parametrize("port", ["0", "65536", "abc", "-1", "8000.5"])
def test_port_when_impossible_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(BadSettingError, match="PORT"):
        env.port()


def test_typed_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_FLAG", "Yes")
    monkeypatch.setenv("A_LIST", "a, b,,c ")
    monkeypatch.setenv("A_NUMBER", "12")
    assert env.flag("A_FLAG", default=False) is True
    assert env.listing("A_LIST") == ["a", "b", "c"]
    assert env.integer("A_NUMBER", 1) == 12
    assert env.integer("NO_NUMBER", 1) == 1
    monkeypatch.setenv("A_FLAG", "perhaps")
    with pytest.raises(BadSettingError, match="A_FLAG"):
        env.flag("A_FLAG", default=False)


def test_secret_when_the_environment_has_it_makes_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", "from outside")
    assert env.secret("SECRET_KEY") == "from outside"
    assert not (tmp_path / "data").exists()


def test_secret_when_unset_is_generated_once() -> None:
    assert env.secret("SECRET_KEY") == env.secret("SECRET_KEY")


def test_env_file_fills_gaps_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nexport FROM_FILE='quoted # kept'\nSET_OUTSIDE=file\nPLAIN=x # comment\n\n"
    )
    monkeypatch.setenv("SET_OUTSIDE", "outside")
    for name in ("FROM_FILE", "PLAIN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    env.load_env_file(file)
    found = [env.text(name) for name in ("FROM_FILE", "SET_OUTSIDE", "PLAIN")]
    assert found == ["quoted # kept", "outside", "x"]


def test_env_file_when_a_line_is_no_assignment_names_the_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# fine\nnonsense\n")
    with pytest.raises(BadSettingError, match=r"\.env line 2"):
        env.load_env_file(tmp_path / ".env")
