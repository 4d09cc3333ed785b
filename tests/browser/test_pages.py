"""Every page at a desk and on a phone, by day and by night."""

from collections.abc import Iterable

import pytest
from django.db.models import Model
from playwright.sync_api import Page

from tests.browser import looks, visits
from tests.browser.conftest import NARROW, WIDE, Browse
from tests.browser.examples import examples, visitor
from tests.browser.visits import Visit
from tests.browser.watch import Watch
from tests.browser.world import World

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(scope="module")
def transactional_db(world: World) -> None:
    """Nothing is emptied between these tests: they only look."""


def faults_of(page: Page, watch: Watch, pages: Iterable[Visit]) -> list[str]:
    found = []
    for visit in pages:
        page.set_viewport_size(WIDE)
        answer = visits.open_at(page, visit)
        if answer is None:
            continue
        if not answer.ok and "nowhere" not in visit.path:
            found.append(f"{visit}: answered with {answer.status}")
        looks.lighten(page)
        found += [f"{visit} wide: {fault}" for fault in looks.barriers(page)]
        page.set_viewport_size(NARROW)
        found += [f"{visit} narrow: {fault}" for fault in looks.too_wide(page)]
        # Pages of verbs have one template: by day they are looked at one by one, that is enough.
        if visit.name.rpartition("_")[2] not in {"verb", "move"}:
            looks.darken(page)
            found += [f"{visit} narrow, dark: {fault}" for fault in looks.barriers(page)]
        found += [f"{visit}: {fault}" for fault in watch.drain()]
    return found


@pytest.mark.parametrize("model", visits.registered(), ids=lambda model: model._meta.label_lower)
def test_the_pages_of_a_model_keep_nobody_out(
    browse: Browse, watch: Watch, world: World, model: type[Model]
) -> None:
    page = browse(world.root)

    found = faults_of(page, watch, visits.of_model(model, world.root))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", visits.places())
def test_the_other_pages_keep_nobody_out(
    browse: Browse, watch: Watch, world: World, name: str
) -> None:
    page = browse(visitor(name, world))

    found = faults_of(page, watch, visits.at(name, examples(world)))
    assert not found, "\n".join(found)


def test_no_page_is_forgotten(world: World) -> None:
    visited = {
        visit.name for model in visits.registered() for visit in visits.of_model(model, world.root)
    }
    # Where nobody may add, and where there is no verb, the address is there and refuses everybody.
    stems = {name.removesuffix("changelist") for name in visited if name.endswith("changelist")}
    unused = {stem + what for stem in stems for what in ["add", "verb"]}

    every = {name for name, _ in visits.named()} - set(visits.places())
    assert {name for name in every - visited - unused if not visits.excused(name)} == set()
