import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incidents.notifications.addresses import Channel
from incidents.notifications.transports import TRANSPORTS, apprise, console, file
from incidents.notifications.transports.base import Link, Outgoing, TransportError


def outgoing(address: str) -> Outgoing:
    return Outgoing(
        id="1",
        address=address,
        secret="whsec_secret",
        subject="Checkout is down",
        body="Look",
        at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        links=[Link("Acknowledge", "https://example.org/ack")],
    )


def test_there_is_one_for_every_channel():
    assert set(TRANSPORTS) == {*Channel.values, "sandbox"}


@pytest.mark.parametrize("kind", ["console", "file", "recorder"])
def test_those_for_demos_are_refused_in_earnest(settings, kind: str):
    settings.DEMO_TRANSPORTS = False

    with pytest.raises(TransportError, match="set DEMO_TRANSPORTS") as refused:
        TRANSPORTS[kind].send(outgoing("x"))

    assert refused.value.permanent


def test_the_console_prints(capsys):
    console.send(outgoing("desk"))

    printed = capsys.readouterr().out
    assert "Checkout is down" in printed
    assert "Acknowledge: https://example.org/ack" in printed


def test_the_file_gets_a_line_for_each(settings, tmp_path):
    settings.DATA_DIR = tmp_path

    file.send(outgoing("out/pages.jsonl"))
    file.send(outgoing("out/pages.jsonl"))

    lines = (tmp_path / "out" / "pages.jsonl").read_text().splitlines()
    assert [json.loads(line)["subject"] for line in lines] == ["Checkout is down"] * 2
    assert "whsec_secret" not in lines[0]


@pytest.mark.parametrize("address", ["../x", "/etc/passwd", ".", "a/../../x"])
def test_the_file_lies_inside_the_data_folder(settings, tmp_path, address: str):
    settings.DATA_DIR = tmp_path / "data"

    with pytest.raises(TransportError) as refused:
        file.send(outgoing(address))

    assert refused.value.permanent
    assert not Path(tmp_path / "x").exists()


def test_apprise_reaches_a_real_server(receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True

    apprise.send(outgoing(receiver.url.replace("http://", "json://")))

    assert receiver.ledger[0].json()["title"] == "Checkout is down"
    assert "https://example.org/ack" in receiver.ledger[0].json()["message"]


def test_apprise_says_why_it_failed(receiver, settings, caplog):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    receiver.status(503)

    with pytest.raises(TransportError, match="503") as failed:
        apprise.send(outgoing(receiver.url.replace("http://", "json://")))

    assert not failed.value.permanent
    assert caplog.text == ""


def test_apprise_follows_no_redirect(receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    receiver.status(302, Location=receiver.url + "elsewhere")

    with pytest.raises(TransportError):
        apprise.send(outgoing(receiver.url.replace("http://", "json://") + "?redirect=yes"))

    assert [request.path for request in receiver.ledger] == ["/"]


@pytest.mark.parametrize("scheme", ["json", "xml", "form", "ntfy", "gotify", "mailto", "syslog"])
def test_apprise_never_reaches_inside(receiver, scheme: str):
    host = receiver.url.removeprefix("http://").rstrip("/")

    with pytest.raises(TransportError) as refused:
        apprise.send(outgoing(f"{scheme}://{host}/topic"))

    assert refused.value.permanent
    assert receiver.ledger == []


def test_apprise_keeps_addresses_out_of_the_log(caplog):
    with pytest.raises(TransportError):
        apprise.check("nonsense://token-that-is-secret")

    assert "token-that-is-secret" not in caplog.text
