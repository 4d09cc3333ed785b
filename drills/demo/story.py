"""The demo's script: a real outage, and a responder who works over the HTTP API.

Knows the house from outside only, as a monitor and a person's phone do.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from drills.demo.process import TargetProcess


class StoryFailed(RuntimeError):
    """Something that had to happen by itself did not happen in time."""


class Phones:
    """What the people of the demo received: a file in `folder` stands for each one's phone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: Counter[Path] = Counter()

    def new_messages(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(person, message) for what has come since the last look."""
        for path in sorted(self.folder.glob("*")):
            for line in path.read_text().splitlines()[self._read[path] :]:
                self._read[path] += 1
                yield path.name, json.loads(line)


class Story:
    """Plays one outage from the first failed probe to the resolved incident.

    `pause(seconds)` is called instead of sleeping, so that the caller can look after its
    processes. Raises StoryFailed when the house does not do its part in time.
    """

    def __init__(
        self,
        *,
        api: httpx.Client,
        target: TargetProcess,
        phones: Phones,
        console: Console,
        pause: Callable[[float], None],
    ) -> None:
        self.api, self.target, self.phones = api, target, phones
        self.console, self.pause = console, pause
        self.began = time.monotonic()
        self.heard: list[str] = []

    def play(self) -> dict[str, Any]:
        """The whole outage; returns the resolved incident as the API shows it."""
        self.pause(2.5)  # The monitor sees it healthy first.
        self.began = time.monotonic()
        self.tell("[bold red]The checkout service freezes[/] (SIGSTOP: it hangs, it is not gone)")
        self.target.freeze()

        reference = self.wait("the monitor notices and an incident is declared", 25, self._declared)
        self.tell(f"[bold]{reference}[/] declared by the monitor's alert")
        self.wait("ana, level 1, is paged", 10, lambda: self._paged("ana"))
        self.wait("ana stays silent, so ben, level 2, is paged", 20, lambda: self._paged("ben"))

        self.pause(1.5)
        self.do(reference, "acknowledge", says="ben acknowledges")
        self.do(reference, "assign-role", role="commander", user="ben", says="ben takes command")
        self.do(
            reference, "assign-role", role="technical_lead", user="ana", says="ana investigates"
        )
        self.refused(reference)
        self.pause(1.5)
        cause = "The process hangs: it holds its port and answers nothing."
        self.do(reference, "identify", suspected_cause=cause, says="the cause is identified")
        self.pause(1)
        self.do(
            reference,
            "start-mitigating",
            mitigation="Restarting the checkout process",
            kind="restart",
            says="mitigation begins: the service is really restarted",
        )
        self.target.restart()
        self.wait("the monitor sees it recover", 20, lambda: self._get(reference)["recovered_at"])
        self.tell("[green]The alert resolved by itself[/]; now it is watched for a few seconds")
        self.wait("the monitoring window passes", 15, lambda: self._may_resolve(reference))
        self.do(
            reference,
            "resolve",
            root_cause="A worker waited for ever on a lock that nobody held.",
            resolution="Restarted; a timeout on that lock follows.",
            says="ben resolves it",
        )
        return self._get(reference)

    def tell(self, line: str) -> None:
        seconds = time.monotonic() - self.began
        self.console.print(f"[dim]{seconds:5.1f} s[/]  {line}", highlight=False, soft_wrap=True)

    def wait(self, what: str, seconds: float, happened: Callable[[], Any]) -> Any:
        """Until `happened()` gives something; meanwhile the phones ring."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.listen()
            if result := happened():
                return result
            self.pause(0.2)
        raise StoryFailed(f"After {seconds:g} s it has not happened that {what}.")

    def listen(self) -> None:
        for person, message in self.phones.new_messages():
            self.heard.append(f"{person} {message['urgency']}")
            self.tell(f"[cyan]☎ {person}[/]: {message['subject']}")

    def do(self, reference: str, verb: str, *, says: str, **facts: Any) -> None:
        answer = self.api.post(f"incidents/{reference}/{verb}/", json=facts)
        if answer.is_error:
            raise StoryFailed(f"{verb} was refused: {answer.status_code} {answer.text}")
        self.listen()
        self.tell(f"[bold]POST …/{verb}/[/]  {says}")

    def refused(self, reference: str) -> None:
        """Somebody is too quick: an illegal move is refused, with what is missing."""
        answer = self.api.post(f"incidents/{reference}/resolve/", json={})
        if answer.status_code != 409:
            raise StoryFailed(f"An early resolve was answered {answer.status_code}, not 409.")
        missing = ", ".join(unmet["code"] for unmet in answer.json()["unmet"])
        self.tell(f"[bold]POST …/resolve/[/]  refused with 409, unmet: {missing}")

    def _declared(self) -> str | None:
        incidents = self.api.get("incidents/", params={"state": "open"}).json()["results"]
        return incidents[0]["reference"] if incidents else None

    def _paged(self, person: str) -> bool:
        return f"{person} page" in self.heard

    def _get(self, reference: str) -> dict[str, Any]:
        return self.api.get(f"incidents/{reference}/").json()

    def _may_resolve(self, reference: str) -> bool:
        codes = {unmet["code"] for unmet in self._get(reference)["next_step"]["unmet"]}
        return codes <= {"root_cause"}


def scoreboard(incident: dict[str, Any]) -> Table:
    """Each phase against its target, as the API reports them."""
    table = Table()
    for heading in ["Phase", "Took", "Target", ""]:
        table.add_column(heading, justify="right" if heading in {"Took", "Target"} else "left")
    names = {
        "detect": "Detection",
        "respond": "Acknowledgement",
        "identify": "Identification",
        "mitigate": "Mitigation",
        "resolve": "Resolution",
    }
    for phase in incident["phases"]:
        took, target = phase["seconds"], phase["target"]
        mark = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[phase["met"]]
        table.add_row(
            names[phase["name"]],
            "pending" if took is None else f"{took:.1f} s",
            "" if target is None else f"{target:.0f} s",
            mark,
        )
    return table
