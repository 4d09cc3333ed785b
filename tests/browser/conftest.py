"""A real browser before the real application; every page is watched."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from incidents.core import history
from incidents.core.models import User
from tests.browser.server import House, shared_by_threads
from tests.browser.watch import Watch
from tests.browser.world import World, build
from tests.chaos.servers import missing
from tests.sizes import FULL

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}
# How one works with a page: on a phone, and in the full run at a desk too. What it looks like is
# judged at both by test_pages.
SIZES = [pytest.param(NARROW, id="narrow")]
if FULL:
    SIZES.append(pytest.param(WIDE, id="wide"))

type Browse = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # The same engine with no windows to draw asks for half of the processor's time.
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    # Playwright keeps an event loop running in this thread; Django would refuse to work beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    rootless = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium or missing("chromium"), args=rootless
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="package")
def house(
    browser: Browser,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    house = House()
    with django_db_blocker.unblock(), shared_by_threads(tmp_path_factory.mktemp("browser")):
        house.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(django_settings, "PUBLIC_URL", house.url)
            yield house
        house.stop()


@pytest.fixture(scope="module")
def world(house: House) -> Iterator[World]:
    """For tests that only look: made once for all of a file."""
    yield build()
    house.rest()
    history.unlock_session()
    call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def watch(house: House) -> Iterator[Watch]:
    """At the end of the test nothing may have gone wrong."""
    watch = Watch(house.url)
    house.errors.clear()
    yield watch
    assert house.errors == []
    assert watch.drain() == []


@contextmanager
def browsing(browser: Browser, house: House, watch: Watch) -> Iterator[Browse]:
    contexts = []

    def browse(user: User | None = None, size: dict[str, int] = WIDE, **options: Any) -> Page:
        context = browser.new_context(base_url=house.url, viewport=size, **options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        watch.attach(context)
        if user is not None:
            context.add_cookies([session_of(user, house.url)])
        return context.new_page()

    yield browse
    for context in contexts:
        context.close()
    house.rest()


@pytest.fixture
def browse(browser: Browser, house: House, watch: Watch) -> Iterator[Browse]:
    """`browse(bob)`: a browser of its own in which Bob is logged in; without a person nobody is."""
    with browsing(browser, house, watch) as browse:
        yield browse


class Gallery:
    """For tests that only look: everybody's browser is opened once for all of a file."""

    def __init__(self, browse: Browse, watch: Watch) -> None:
        self.watch, self._browse = watch, browse
        self._pages: dict[int | None, Page] = {}

    def page(self, user: User | None) -> Page:
        key = user.pk if user else None
        if key not in self._pages:
            self._pages[key] = self._browse(user)
        return self._pages[key]


@pytest.fixture(scope="module")
def opened(browser: Browser, house: House, world: World) -> Iterator[Gallery]:
    watch = Watch(house.url)
    with browsing(browser, house, watch) as browse:
        yield Gallery(browse, watch)


@pytest.fixture
def gallery(house: House, opened: Gallery) -> Iterator[Gallery]:
    """At the end of each test nothing may have gone wrong."""
    house.errors.clear()
    yield opened
    assert house.errors == []
    assert opened.watch.drain() == []


def session_of(user: User, url: str) -> Any:
    """The cookie of a person who has logged in."""
    client = Client()
    client.force_login(user)
    value = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    return {"name": django_settings.SESSION_COOKIE_NAME, "value": value, "url": url}
