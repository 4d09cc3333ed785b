"""Real servers for tests, each started for the occasion and gone afterwards.

PostgreSQL and Redis listen on the loopback interface only, keep their files in a temporary folder,
and run as a user without rights when the tests run as root. Only processes started here are ever
signalled. `provider` is the outermost wire: somebody else's HTTP service that can misbehave.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NoReturn

import psycopg
import pytest
import redis as redis_client

from drills.demo.process import free_port

READY_WITHIN_SECONDS = 20.0
STOPPED_WITHIN_SECONDS = 15.0


def eventually(condition: Callable[[], Any], *, within: float = 5.0, every: float = 0.02) -> Any:
    """The first true answer of `condition`; fails the test when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"Did not come true within {within:g} s: {condition}")
        time.sleep(every)
    return answer


def alive(pid: int) -> bool:
    """Whether a process runs under this number; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def missing(what: str) -> NoReturn:
    message = f"{what} is not installed: tests that need it cannot run."
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def binary(name: str, *folders: Path) -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)])
    return shutil.which(name, path=path) or missing(name)


def postgres_folders() -> list[Path]:
    """Where distributions hide the server's programs, newest version first."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    found = sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        found.append(Path(answer.stdout.strip()))
    return found


def unprivileged(*names: str) -> pwd.struct_passwd | None:
    """The first of these users that exists; None when the tests do not run as root."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    found = next((users[name] for name in (*names, "nobody") if name in users), None)
    return found or missing("A user without rights")


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


@contextmanager
def server_folder(name: str, user: pwd.struct_passwd | None) -> Iterator[Path]:
    # Not pytest's tmp_path: only root may look into that when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix=f"tocsin-{name}-"))
    try:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A server process of ours, with its files in `folder`."""

    url: str
    argv: list[str]

    def __init__(self, folder: Path, user: pwd.struct_passwd | None) -> None:
        self.folder, self.user, self.port = folder, user, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers. Does nothing if it runs."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not (self.running and self._answers()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Did not start:\n{self.log()}")
            if not self.running:  # Also again: after a kill, leftovers may be in the way briefly.
                self._process = self._spawn()
            time.sleep(0.05)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Accepts connections and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Returns when it is gone. Does nothing if it is."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace")[-4000:] if log.exists() else "(no log)"

    def _answers(self) -> bool:
        raise NotImplementedError

    def _signal(self, signum: int) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    def _end(self, signum: int) -> None:
        if not self.running:
            return
        self._signal(signum)
        self.thaw()
        assert self._process is not None
        try:
            self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        argv = self.argv
        if setpriv := shutil.which("setpriv"):  # Goes down with the tests, even with killed ones.
            argv = [setpriv, "--pdeathsig", "KILL", *argv]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **as_user(self.user),
            )


class Postgres(Server):
    def __init__(
        self, folder: Path, user: pwd.struct_passwd | None, bin_folder: Path, *, durable: bool
    ) -> None:
        super().__init__(folder, user)
        password = secrets.token_hex(16)
        self.url = f"postgres://tocsin:{password}@127.0.0.1:{self.port}/postgres"
        self._initdb(bin_folder / "initdb", password)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": folder,
            "fsync": "on" if durable else "off",
            "synchronous_commit": "on" if durable else "off",
            "track_commit_timestamp": "on",  # The checker asks what was committed before what.
        }
        self.argv = [str(bin_folder / "postgres"), "-D", str(folder / "data")]
        self.argv += [f"--{name}={value}" for name, value in settings.items()]

    def stop(self, mode: Literal["smart", "fast", "immediate", "kill"] = "immediate") -> None:
        """`immediate` and `kill` end it without a checkpoint, as a crash does."""
        signals = {
            "smart": signal.SIGTERM,
            "fast": signal.SIGINT,
            "immediate": signal.SIGQUIT,
            "kill": signal.SIGKILL,
        }
        self._end(signals[mode])

    def _initdb(self, program: Path, password: str) -> None:
        secret = self.folder / "password"  # Not /dev/stdin: that belongs to who runs the tests.
        secret.write_text(password)
        how = ["--username=tocsin", f"--pwfile={secret}", "--auth=scram-sha-256"]
        how += ["--encoding=UTF8", "--locale=C", "--no-sync"]  # Later writes are synced.
        subprocess.run(
            [program, "-D", self.folder / "data", *how],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **as_user(self.user),
        )

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


class Redis(Server):
    def __init__(self, folder: Path, user: pwd.struct_passwd | None, program: str) -> None:
        super().__init__(folder, user)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.argv = [program, "--bind", "127.0.0.1", "--port", str(self.port)]
        self.argv += ["--dir", str(folder), "--save", "", "--appendonly", "no"]

    def flush(self) -> None:
        """Everything that was queued is lost, connections stay."""
        with self._client() as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis_client.RedisError:
            return False

    def _client(self) -> redis_client.Redis:
        return redis_client.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2)


@contextmanager
def postgres(*, durable: bool = True) -> Iterator[Postgres]:
    """A PostgreSQL cluster of its own that syncs every commit to disk, unless nobody cuts it."""
    bin_folder = Path(binary("initdb", *postgres_folders())).resolve().parent
    user = unprivileged("postgres")
    with server_folder("postgres", user) as folder:
        server = Postgres(folder, user, bin_folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def redis() -> Iterator[Redis]:
    """A Redis that writes nothing to disk: what was queued is lost when it stops."""
    program, user = binary("redis-server"), unprivileged("redis")
    with server_folder("redis", user) as folder:
        server = Redis(folder, user, program)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@dataclass(frozen=True)
class Received:
    at: float  # Seconds since the epoch.
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Manner:
    """How to treat requests: answer `status` after `delay`, or never, or hang up."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hangs: bool = False
    hangs_up: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class Provider:
    """Somebody else's service. `ledger` has every request that arrived, however it was treated.

    `at(path)` misbehaves towards requests of one path only, whatever the others get.
    """

    def __init__(self) -> None:
        self.ledger: list[Received] = []
        self.listener: Callable[[Received], None] | None = None
        self.manner = Manner()
        self._of_path: dict[str, Manner] = {}
        self._server = _ProviderServer(("127.0.0.1", free_port()), _ProviderHandler)
        self._server.provider = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def ok(self) -> None:
        self._behave(Manner())

    def slow(self, seconds: float) -> None:
        self._behave(Manner(delay=seconds))

    def hang(self) -> None:
        """Read requests and keep silent; hang up when another manner is chosen."""
        self._behave(Manner(hangs=True))

    def status(self, status: int, **headers: str) -> None:
        """Answer `status`, e.g. `status(429, Retry_After="1")`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._behave(Manner(status=status, headers=named))

    def close_before_reply(self) -> None:
        """Take requests and hang up: the sender cannot know whether they were accepted."""
        self._behave(Manner(hangs_up=True))

    def at(self, path: str, manner: Manner) -> None:
        """Treat requests of this path so, e.g. `at("ana", Manner(status=500))`."""
        before = self._of_path.get(f"/{path}", self.manner)
        self._of_path[f"/{path}"] = manner
        before.over.set()

    def manner_of(self, path: str) -> Manner:
        return self._of_path.get(path, self.manner)

    def calls(self, path: str) -> list[Received]:
        """What arrived at this path, in order."""
        return [call for call in list(self.ledger) if call.path == f"/{path}"]

    def forget(self) -> None:
        """A clean ledger and good manners, for the next test."""
        self._let_go()
        self._of_path, self.manner, self.listener = {}, Manner(), None
        self.ledger = []

    def wait_for(self, count: int, *, within: float = 5.0) -> list[Received]:
        """The ledger, as soon as it has `count` entries."""
        eventually(lambda: len(self.ledger) >= count, within=within)
        return list(self.ledger)

    def _let_go(self) -> None:
        for manner in [*self._of_path.values(), self.manner]:
            manner.over.set()

    def _behave(self, manner: Manner) -> None:
        before, self.manner = self.manner, manner
        before.over.set()

    def close(self) -> None:
        self._let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _ProviderServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    provider: Provider

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Senders that give up on a slow provider are part of the game."""


class _ProviderHandler(BaseHTTPRequestHandler):
    server: _ProviderServer

    def _handle(self) -> None:
        provider = self.server.provider
        manner = provider.manner_of(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Received(time.time(), self.command, self.path, dict(self.headers), body)
        provider.ledger.append(call)
        if provider.listener:
            provider.listener(call)
        if manner.hangs:
            manner.over.wait()
        elif manner.delay:
            manner.over.wait(manner.delay)
        if manner.hangs or manner.hangs_up:
            return
        self.send_response(manner.status)
        for name, value in manner.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """The ledger is the log."""


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider on the loopback interface that accepts everything, to begin with."""
    with closing(Provider()) as server:
        yield server


def faketime(offset: str) -> dict[str, str]:
    """The environment of a process whose clock is wrong by `offset`, e.g. "+1h" (libfaketime)."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    library = str(found[0]) if found else missing("libfaketime")
    # Waiting and timeouts go by the monotonic clock, which no administrator can set wrong.
    return {"LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
