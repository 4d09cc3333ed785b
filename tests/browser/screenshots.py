"""Makes the pictures of the README: uv run python -m tests.browser.screenshots"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.upped import environment, running
from tests.chaos.installation import ROOT
from tests.notifications.smtp_sink import smtp_sink

DOCS = ROOT / "docs"
SIZE = {"width": 1280, "height": 900}
MOST_BYTES = 300_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tocsin-pictures-") as name:
        folder = Path(name)
        password = fill(folder)
        with smtp_sink() as mail:  # so that the pages of what is open arrive somewhere
            server = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(mail.port)}
            with running(folder, **server) as (url, *_):
                take(url, password)


def fill(folder: Path) -> str:
    """Three months of an organisation; returns the administrator's password."""
    run = subprocess.run(
        [sys.executable, "manage.py", "demo_data", "--years", "0.25", "--incidents", "200"],
        env=environment(folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = re.search(r"Log in as admin with (\S+)", run.stdout)
    if said is None:
        sys.exit(f"demo_data printed no password:\n{run.stdout}")
    return said[1]


def take(url: str, password: str) -> None:
    DOCS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or sys.exit("chromium is not installed.")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(base_url=url, viewport=SIZE, device_scale_factor=1)
        page.goto("/admin/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Open incidents").first.wait_for()
        shoot(page, "cockpit")
        page.locator(".t-open a").nth(1).click()  # somebody works on it: it has a story
        page.get_by_role("heading", name="Timeline").wait_for()
        shoot(page, "incident")
        browser.close()


def shoot(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    file = DOCS / f"{name}.png"
    page.screenshot(path=file, animations="disabled")
    size = file.stat().st_size
    sys.stdout.write(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB\n")
    if size > MOST_BYTES:
        sys.exit(f"{file.name} is larger than {MOST_BYTES / 1000:.0f} kB.")


if __name__ == "__main__":
    main()
