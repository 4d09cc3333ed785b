"""How much memory the embedded installation takes: `python -m tests.bench.memory`.

`manage.py up` on an empty folder; somebody reads the admin and the API for a while, a monitor sends
alerts, and then every process is asked. PSS, the proportional set size: pages that several
processes share are counted once, so that the sum is what the machine really gives (Linux only).
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.bench.house import Report
from tests.browser.upped import Fresh, fresh
from tests.chaos.servers import eventually

BAR_MIB = 250.0
PAGES = ["/admin/", "/admin/set-up/", "/admin/incidents/incident/", "/admin/incidents/service/"]
PAGES += ["/admin/timers/timer/", "/i/", "/me/", "/api/v1/incidents/", "/api/schema/"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.memory", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of every page (default 20)")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="tocsin-memory-") as folder, fresh(Path(folder)) as house:
        _read(house, options.rounds)
        eventually(lambda: len(_group(house.pid)) >= 4, within=30)
        sizes = {_name(pid): _pss(pid) for pid in _group(house.pid)}
    report = Report("Memory of the embedded installation (PSS)")
    for name, size in sizes.items():
        report.add(name, f"{size:.0f} MiB")
    total = sum(sizes.values())
    report.add("All processes", f"{total:.0f} MiB", f"≤ {BAR_MIB:.0f} MiB", met=total <= BAR_MIB)
    return report.show()


def _read(house: Fresh, rounds: int) -> None:
    with httpx.Client(base_url=house.url, follow_redirects=True, timeout=30) as browser:
        browser.get("/login/").raise_for_status()
        form = {
            "username": "admin",
            "password": house.password,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        browser.post("/login/", data=form, headers={"Referer": house.url}).raise_for_status()
        for _ in range(rounds):
            for page in PAGES:
                browser.get(page).raise_for_status()


def _group(pid: int) -> list[int]:
    """The process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in _group(int(child)))]


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    known = {"worker": "worker", "clock": "clock", "granian": "web"}
    found = next((name for word, name in known.items() if word in words), "up")
    return f"{found} ({pid})"


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(kib) / 1024


if __name__ == "__main__":
    sys.exit(main())
