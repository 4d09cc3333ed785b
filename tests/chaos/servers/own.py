"""PostgreSQL and Redis, started for the occasion and gone afterwards."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn

import psycopg
import pytest
import redis as redis_client

from drills.demo.process import free_port

READY_WITHIN_SECONDS = 20.0
STOPPED_WITHIN_SECONDS = 15.0


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


def faketime(offset: str) -> dict[str, str]:
    """The environment of a process whose clock is wrong by `offset`, e.g. "+1h" (libfaketime)."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    library = str(found[0]) if found else missing("libfaketime")
    # Waiting and timeouts go by the monotonic clock, which no administrator can set wrong.
    return {"LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
