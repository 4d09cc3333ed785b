"""`manage.py up`: which runbook the organisation goes by, by a flag or by a question."""

import io

import pytest
from django.core.management.base import CommandError
from rich.console import Console

from config.choosing import choose_runbook
from incidents.core.models import Organisation

pytestmark = pytest.mark.django_db


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(db, monkeypatch):
    """`terminal("saas\\n")`: what a person reads who types that at the first start."""
    Organisation.objects.create(pk=1)

    def start(typed: str, *, is_first: bool = True) -> str:
        monkeypatch.setattr("sys.stdin", Keyboard(typed))
        console = Console(file=io.StringIO(), force_terminal=True, width=200)
        choose_runbook(console, "", is_first=is_first)
        return console.file.getvalue()

    return start


def test_a_person_is_asked_at_the_first_start_and_chooses(terminal):
    read = terminal("nonsense\nsaas\n")

    assert "How does your organisation respond to incidents?" in read
    assert "Built-in default" in read and "tars" in read
    assert "The organisation goes by the runbook" in read
    assert Organisation.current().runbook == "saas"


@pytest.mark.parametrize("typed", ["\n", ""])
def test_enter_or_nothing_at_all_stays_with_the_built_in_one(terminal, typed):
    terminal(typed)

    assert Organisation.current().runbook == "default"


def test_later_and_without_a_terminal_nobody_is_asked(terminal, monkeypatch):
    assert terminal("saas\n", is_first=False) == ""

    monkeypatch.setattr("sys.stdin", io.StringIO("saas\n"))
    choose_runbook(Console(file=io.StringIO()), "", is_first=True)

    assert Organisation.current().runbook == "default"


def test_the_flag_says_it_without_a_question_at_any_start(terminal):
    choose_runbook(Console(file=io.StringIO()), "tars", is_first=False)

    assert Organisation.current().runbook == "tars"
    with pytest.raises(CommandError, match=r"no runbook 'tar'\. Choose one of: default, fintech"):
        choose_runbook(Console(file=io.StringIO()), "tar", is_first=False)
