"""Backups, tried by restoring them: real processes, both databases."""

import gzip
import io
import itertools
import json
import shutil
import stat
import tarfile
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.chaos.servers import postgres
from tests.config.houses import Hall, House
from tests.sizes import FULL

NUMBERS = itertools.count(1)


# What has nothing to do with the engine is tried on one: every command is a process of its own.
once = pytest.mark.parametrize("new_house", ["sqlite"], indirect=True)
# In CI, PostgreSQL's way is tried by the first test alone.
twice_in_full = pytest.mark.parametrize(
    "new_house", ["sqlite", *(["pg"] if FULL else [])], indirect=True
)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("pg", marks=pytest.mark.chaos)])
def new_house(request, tmp_path_factory):
    """Makes empty installations on one engine, or copies of another one."""
    with ExitStack() as stack:
        site = stack.enter_context(postgres(durable=False)) if request.param == "pg" else None

        def make(like: Hall | None = None) -> Hall:
            folder, url = tmp_path_factory.mktemp("house"), ""
            if site:
                url = new_database(site.url, like.database_url if like else "/template1")
            elif like:
                shutil.copy(like.folder / "tocsin.sqlite3", folder)
            hall = Hall(folder, url)
            stack.callback(hall.close)
            return hall

        yield make


def new_database(server: str, like: str) -> str:
    name, template = f"house{next(NUMBERS)}", like.rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.removesuffix("/postgres") + f"/{name}"


@pytest.fixture(scope="module")
def house(new_house):
    """Where Ana's page about a SEV1 waits to leave."""
    house = new_house()
    house.act("build")
    return house


@pytest.fixture
def twin(house, new_house):
    """Another installation with the same in it: copied, for building one takes a while."""
    return new_house(like=house)


@pytest.fixture(scope="module")
def archive(house):
    path = house.folder / "backup.tar.gz"
    done = House(house.folder, house.database_url).manage("backup", str(path), "--with-key")
    assert done.returncode == 0, done.stderr
    return path


def rewritten(archive: Path, change) -> Path:
    """The same archive with another manifest."""
    altered = archive.with_name(f"altered{next(NUMBERS)}.tar.gz")
    with tarfile.open(archive) as old, tarfile.open(altered, "w:gz") as new:
        for member in old:
            content = old.extractfile(member).read()
            if member.name == "manifest.json":
                manifest = json.loads(content)
                change(manifest)
                content = json.dumps(manifest).encode()
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return altered


def test_what_was_declared_before_the_backup_is_paged_after_restoring_it(house, archive, new_house):
    fresh = new_house()

    done = House(fresh.folder, fresh.database_url).manage("restore", str(archive))

    assert done.returncode == 0, done.stderr
    assert "Waiting to leave as soon as Tocsin runs: 1." in done.stderr
    assert "1 open incident goes on: INC-" in done.stderr
    assert "(nobody has it; next step " in done.stderr
    told = fresh.tell()
    assert told == house.tell()
    assert told["guarded"]
    fresh.act("happen")
    assert len(fresh.phone("ana")) == 1
    assert fresh.phone("ben") == []
    assert house.phone("ana") == []


@once
def test_it_is_readable_by_its_owner_only_and_leaves_nothing_behind(archive):
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert [path.name for path in archive.parent.iterdir() if path.name.startswith(".")] == []


@twice_in_full
def test_a_page_that_comes_too_late_is_not_sent_and_the_next_person_is_asked(twin, new_house):
    night = twin
    night.act("age")
    path = night.folder / "night.tar.gz"
    assert night.manage("backup", str(path)).returncode == 0
    morning = new_house()

    done = morning.manage("restore", str(path))

    assert "Not sent, for it is too late by now: 1." in done.stderr
    assert "(nobody has it; next step at once)" in done.stderr
    morning.act("happen")
    assert morning.phone("ana") == []
    assert len(morning.phone("ben")) == 1
    assert ["ana", "cancelled"] in morning.tell()["deliveries"]


@once
def test_the_key_comes_along_only_when_asked_for(house, archive, new_house):
    kept = (house.folder / "secret_key").read_text()
    without, fresh = new_house(), new_house()

    without.manage("restore", str(archive))
    done = fresh.manage("restore", str(archive), "--with-key")

    assert done.returncode == 0, done.stderr
    assert (without.folder / "secret_key").read_text() != kept
    assert (fresh.folder / "secret_key").read_text() == kept
    assert stat.S_IMODE((fresh.folder / "secret_key").stat().st_mode) == 0o600


@twice_in_full
def test_it_replaces_data_only_when_told_to_and_after_asking(archive, twin):
    other = twin
    other.act("happen")
    before = other.tell()

    refused = other.manage("restore", str(archive))
    declined = other.manage("restore", str(archive), "--replace", said="no\n")

    assert refused.returncode == declined.returncode == 1
    assert "holds 3 people, 1 teams, 1 services, 1 incidents" in refused.stderr
    assert "This replaces 3 people" in declined.stderr
    assert other.tell() == before

    done = other.manage("restore", str(archive), "--replace", said="yes\n")

    assert done.returncode == 0, done.stderr
    assert other.tell()["deliveries"] == [["ana", "pending"]]


@twice_in_full
def test_when_it_goes_wrong_in_the_middle_the_old_data_stays(archive, twin):
    before = twin.tell()
    fewer = rewritten(archive, lambda m: m["rows"].update(incidents_incident=7))

    done = twin.manage("restore", str(fewer), "--replace", "--no-input")

    assert done.returncode == 1
    assert "rows" in done.stderr
    assert "Traceback" not in done.stderr
    assert twin.tell() == before
    assert [path for path in twin.folder.iterdir() if path.name.startswith(".")] == []


@once
def test_it_says_what_is_wrong_with_an_archive_before_it_touches_anything(archive, twin):
    other = twin
    before = other.tell()
    middle = archive.with_name("flipped.tar.gz")
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    middle.write_bytes(content)
    short = archive.with_name("short.tar.gz")
    short.write_bytes(archive.read_bytes()[:-3_000])
    text = archive.with_name("text.tar.gz")
    text.write_bytes(gzip.compress(b"no backup at all"))
    wrong_sum = rewritten(archive, lambda m: m["digests"].update(database="0" * 64))
    newer = rewritten(archive, lambda m: m["migrations"].append("incidents.0999_from_tomorrow"))
    foreign = rewritten(archive, lambda m: m.update(engine="mysql"))

    said = {
        path: other.manage("restore", str(path), "--replace", "--no-input")
        for path in [middle, short, text, wrong_sum, newer, foreign]
    }

    assert [done.returncode for done in said.values()] == [1] * 6
    broken = [said[path].stderr for path in [middle, short, text, wrong_sum]]
    assert [text for text in broken if "damaged" not in text] == []
    assert "0999_from_tomorrow is unknown here. Update Tocsin first." in said[newer].stderr
    assert "a backup goes back to the engine that it came from" in said[foreign].stderr
    assert not any("Traceback" in done.stderr for done in said.values())
    assert other.tell() == before
    assert [path for path in other.folder.iterdir() if path.name.startswith(".")] == []


@once
def test_it_refuses_while_tocsin_runs(archive, twin):
    running = twin
    running.act("live")

    done = running.manage("restore", str(archive), "--replace", "--no-input")

    assert done.returncode == 1
    assert "stop it everywhere" in done.stderr


@once
def test_it_never_writes_over_a_file(house, archive):
    before = archive.read_bytes()

    done = house.manage("backup", str(archive))

    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert archive.read_bytes() == before


@once
def test_into_a_folder_it_goes_under_the_name_of_the_time(house, tmp_path):
    done = house.manage("backup", str(tmp_path))

    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.iterdir()
    assert written.name.startswith("tocsin-20")
    assert "The signing key is not in it" in done.stderr
    with tarfile.open(written) as tar:
        assert sorted(tar.getnames()) == ["database", "manifest.json"]
