"""What people and monitors write is shown, never run: sixty payloads in every text there is."""

from collections.abc import Iterable

import pytest
from django.db.models import Model

from incidents.core.models import User
from tests.browser import visits
from tests.browser.conftest import Gallery
from tests.browser.examples import examples, visitor
from tests.browser.payloads import FOUND, PAYLOADS, PRODUCT
from tests.browser.poison import poison, send_alerts, write_notes
from tests.browser.visits import Visit
from tests.browser.world import World
from tests.sizes import FULL

pytestmark = pytest.mark.usefixtures("transactional_db")
# In the second pass, every text has another payload.
PASSES = [0, 30] if FULL else [0]


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


def injected(gallery: Gallery, user: User | None, pages: Iterable[Visit]) -> list[str]:
    page, found = gallery.page(user), []
    for visit in pages:
        answer = visits.open_at(page, visit)
        if answer is None:
            continue
        found += [f"{visit}: {trace}" for trace in page.evaluate(FOUND, PRODUCT)]
        if page.url != answer.url:
            found.append(f"{visit}: led to {page.url}")
        found += [f"{visit}: {fault}" for fault in gallery.watch.drain()]
    return found


@pytest.mark.parametrize("model", visits.registered(), ids=lambda model: model._meta.label_lower)
def test_nothing_typed_runs_in_the_admin(
    gallery: Gallery, poisoned: World, model: type[Model]
) -> None:
    found = injected(gallery, poisoned.root, visits.of_model(model, poisoned.root))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", visits.places())
def test_nothing_typed_runs_on_the_other_pages(
    gallery: Gallery, poisoned: World, name: str
) -> None:
    found = injected(gallery, visitor(name, poisoned), visits.at(name, examples(poisoned)))
    assert not found, "\n".join(found)
