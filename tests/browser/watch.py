"""Looks over the browser's shoulder: what goes wrong on a page fails the test at its end."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response

# Runs before anything of the page does. `__xss` is what every injected script would call.
SENTINEL = """
window.__xss = () => console.error("INJECTED code ran");
document.addEventListener("securitypolicyviolation", (event) => console.error(
  `CSP ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ` +
  event.sample));
"""


class Watch:
    """`faults`: console errors, broken policies, foreign hosts, dialogs, failed files and pages."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.faults: list[str] = []
        self._allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        """What a test brings about on purpose."""
        self._allowed.append(re.compile(pattern))

    def attach(self, context: BrowserContext) -> None:
        context.add_init_script(SENTINEL)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._note(f"script: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.on("response", self._response)

    def drain(self) -> list[str]:
        """What went wrong since the last call."""
        found = [fault for fault in self.faults if not any(p.search(fault) for p in self._allowed)]
        self.faults.clear()
        return found

    def _note(self, fault: str) -> None:
        self.faults.append(fault)

    def _console(self, message: ConsoleMessage) -> None:
        # A page that is answered with 4xx says so here too; `_response` judges those.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            where = message.page.url if message.page else ""
            self._note(f"console: {message.text} ({where})")

    def _dialog(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self._note(f"foreign host: {request.url}")

    def _response(self, response: Response) -> None:
        page = response.request.is_navigation_request()
        if response.status >= 500 or (response.status >= 400 and not page):
            self._note(f"{response.status}: {response.url}")
