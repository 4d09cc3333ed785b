"""What people and monitors write is shown, never run: sixty payloads in every text there is."""

from collections.abc import Iterable

import pytest
from django.db.models import Model
from playwright.sync_api import Page

from tests.browser import visits
from tests.browser.conftest import Browse
from tests.browser.examples import examples, visitor
from tests.browser.payloads import FOUND, PAYLOADS, PRODUCT
from tests.browser.poison import poison, send_alerts, write_notes
from tests.browser.visits import Visit
from tests.browser.watch import Watch
from tests.browser.world import World

pytestmark = pytest.mark.usefixtures("transactional_db")
PASSES = [0, 30]


@pytest.fixture(scope="module")
def transactional_db(hostile: World) -> None:
    """Nothing is emptied between these tests: they only look."""


@pytest.fixture(scope="module")
def hostile(world: World) -> World:
    send_alerts(world)
    write_notes(world)
    return world


@pytest.fixture(scope="module", params=PASSES)
def poisoned(hostile: World, request: pytest.FixtureRequest) -> World:
    stored = " ".join(poison(request.param))
    assert [payload for payload in PAYLOADS if payload not in stored] == []
    return hostile


def injected(page: Page, watch: Watch, pages: Iterable[Visit]) -> list[str]:
    found = []
    for visit in pages:
        answer = visits.open_at(page, visit)
        if answer is None:
            continue
        found += [f"{visit}: {trace}" for trace in page.evaluate(FOUND, PRODUCT)]
        if page.url != answer.url:
            found.append(f"{visit}: led to {page.url}")
        found += [f"{visit}: {fault}" for fault in watch.drain()]
    return found


@pytest.mark.parametrize("model", visits.registered(), ids=lambda model: model._meta.label_lower)
def test_nothing_typed_runs_in_the_admin(
    browse: Browse, watch: Watch, poisoned: World, model: type[Model]
) -> None:
    page = browse(poisoned.root)

    found = injected(page, watch, visits.of_model(model, poisoned.root))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", visits.places())
def test_nothing_typed_runs_on_the_other_pages(
    browse: Browse, watch: Watch, poisoned: World, name: str
) -> None:
    page = browse(visitor(name, poisoned))

    found = injected(page, watch, visits.at(name, examples(poisoned)))
    assert not found, "\n".join(found)
