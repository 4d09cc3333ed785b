import time

import httpx
import psycopg
import pytest
import redis as redis_client

from tests.chaos import servers
from tests.chaos.servers import alive, free_port, postgres, provider, redis

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def database():
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def broker():
    with redis() as server:
        yield server


def query(server, sql):
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def owner(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Uid:"))


def test_it_runs_a_postgres_that_syncs_and_has_no_rights(database):
    assert query(database, "SHOW fsync") == ("on",)
    assert query(database, "SHOW synchronous_commit") == ("on",)
    assert query(database, "SHOW listen_addresses") == ("127.0.0.1",)
    assert owner(database.pid) != 0


def test_it_lets_nobody_into_postgres_without_the_password(database):
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=database.port, user="tocsin", dbname="postgres")


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate", "kill"])
def test_it_keeps_what_postgres_committed_whatever_stops_it(database, mode):
    query(database, "CREATE TABLE IF NOT EXISTS kept (mode text)")
    query(database, f"INSERT INTO kept VALUES ('{mode}')")
    url, pid = database.url, database.pid

    database.stop(mode)

    assert not alive(pid)
    with pytest.raises(psycopg.OperationalError):
        query(database, "SELECT 1")

    database.start()

    assert database.url == url
    assert query(database, f"SELECT count(*) FROM kept WHERE mode = '{mode}'") == (1,)


def test_it_restarts_postgres_as_another_process(database):
    pid = database.pid

    database.restart()

    assert database.pid != pid
    assert query(database, "SELECT 1") == (1,)


def test_it_leaves_nothing_of_postgres_behind_when_a_test_fails():
    with pytest.raises(ZeroDivisionError), postgres() as server:
        pid, folder = server.pid, server.folder
        raise ZeroDivisionError

    assert not alive(pid)
    assert not folder.exists()


def test_it_runs_a_redis_that_keeps_nothing(broker):
    client = redis_client.Redis.from_url(broker.url)
    client.set("queued", "page")

    broker.stop()
    with pytest.raises(redis_client.ConnectionError):
        client.ping()
    broker.start()

    assert client.get("queued") is None
    assert owner(broker.pid) != 0


def test_it_flushes_redis(broker):
    client = redis_client.Redis.from_url(broker.url)
    client.set("queued", "page")

    broker.flush()

    assert client.get("queued") is None


def test_it_freezes_and_thaws_redis(broker):
    client = redis_client.Redis.from_url(broker.url, socket_timeout=0.2)

    broker.freeze()
    with pytest.raises(redis_client.TimeoutError):
        client.ping()
    broker.thaw()

    assert client.ping()


def test_it_ends_a_frozen_redis_too():
    with redis() as server:
        server.freeze()
        pid, folder = server.pid, server.folder

    assert not alive(pid)
    assert not folder.exists()


def test_it_records_what_a_provider_receives():
    with provider() as phone:
        before = time.time()
        answer = httpx.post(f"{phone.url}sms", json={"to": "Ada"}, headers={"webhook-id": "7"})

    received = phone.ledger[0]
    assert answer.status_code == 200
    assert (received.method, received.path, received.json()) == ("POST", "/sms", {"to": "Ada"})
    assert received.headers["webhook-id"] == "7"
    assert before <= received.at <= time.time()


def test_it_lets_a_provider_misbehave_and_records_it_all_the_same():
    with provider() as phone:
        phone.status(429, Retry_After="1")
        limited = httpx.post(phone.url, content=b"1")
        phone.close_before_reply()
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(phone.url, content=b"2")
        phone.slow(0.3)
        slow = httpx.post(phone.url, content=b"3")
        phone.hang()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(phone.url, content=b"4", timeout=0.2)
        phone.ok()
        fine = httpx.post(phone.url, content=b"5")

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert slow.elapsed.total_seconds() >= 0.3
    assert fine.status_code == 200
    assert [received.body for received in phone.ledger] == [b"1", b"2", b"3", b"4", b"5"]


def test_it_closes_a_hanging_provider_without_waiting():
    with provider() as phone:
        phone.hang()
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(phone.url, timeout=0.1)
        began = time.monotonic()

    assert time.monotonic() - began < 1


def test_it_offers_ports_that_outgoing_connections_do_not_use():
    with open("/proc/sys/net/ipv4/ip_local_port_range") as kernel:
        lowest_outgoing = int(kernel.read().split()[0])

    assert all(20_000 <= free_port() < lowest_outgoing for _ in range(20))


def test_it_skips_in_one_line_when_a_server_is_missing_on_a_laptop(monkeypatch):
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        servers.binary("no-such-server")


def test_it_fails_when_a_server_is_missing_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        servers.binary("no-such-server")
