"""What is only good for one's own machine does not start where others can reach it."""

import pytest

from tests.config.houses import House

KEY = "a-key-of-forty-two-random-characters-1234"


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"DEBUG": "true", "SECRET_KEY": KEY}, "DEBUG is on"),
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY can be guessed"),
        ({"SECRET_KEY": "tests-only"}, "SECRET_KEY can be guessed"),
        ({"SECRET_KEY": KEY[:31]}, "SECRET_KEY can be guessed"),
        ({"SECRET_KEY": "x" * 60}, "SECRET_KEY can be guessed"),
        ({"SECRET_KEY": f"django-insecure-{KEY}"}, "SECRET_KEY can be guessed"),
    ],
)
def test_it_refuses_to_start_where_others_can_reach_it(house, settings, reason):
    done = house.manage("check", PUBLIC_URL="https://tocsin.example.org", **settings)

    assert done.returncode == 1
    assert f"ImproperlyConfigured: {reason}" in done.stderr
    assert "Unset" in done.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]"])
def test_on_ones_own_machine_anything_goes(house, url):
    done = house.manage("check", PUBLIC_URL=url, DEBUG="true", SECRET_KEY="changeme")

    assert done.returncode == 0, done.stderr


def test_a_key_is_made_and_kept_where_none_is_given(house):
    public = {"PUBLIC_URL": "https://tocsin.example.org"}

    done = house.manage("check", "--deploy", "--fail-level", "WARNING", **public)

    assert done.returncode == 0, done.stderr
    kept = house.folder / "secret_key"
    key = kept.read_text()
    assert len(key) > 50
    assert kept.stat().st_mode & 0o777 == 0o600
    house.manage("check", **public)
    assert kept.read_text() == key


def test_up_does_not_listen_to_others_in_debug(house):
    done = house.manage("up", "--bind", "0.0.0.0:18106", DEBUG="true")

    assert done.returncode == 1
    assert "DEBUG is on" in done.stderr
