"""Every page at a desk and on a phone, by day and by night."""

from collections.abc import Iterable

import pytest
from django.db.models import Model

from incidents.core.models import Incident, User
from tests.browser import looks, visits
from tests.browser.conftest import NARROW, WIDE, Gallery
from tests.browser.examples import examples, visitor
from tests.browser.visits import Visit
from tests.browser.world import World
from tests.sizes import FULL

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(scope="module")
def transactional_db(world: World) -> None:
    """Nothing is emptied between these tests: they only look."""


def faults_of(
    gallery: Gallery, user: User | None, pages: Iterable[Visit], *, by_night: bool = True
) -> list[str]:
    page, found, seen = gallery.page(user), [], set()
    for visit in pages:
        page.set_viewport_size(WIDE)
        answer = visits.open_at(page, visit)
        if answer is None:
            continue
        # All pages of verbs have one: their colours are the same.
        of_one_template = visit.name.rpartition("_")[2] in {"verb", "move"} and visit.name in seen
        seen.add(visit.name)
        if not answer.ok and "nowhere" not in visit.path:
            found.append(f"{visit}: answered with {answer.status}")
        looks.lighten(page)
        asked = looks.SHAPES if of_one_template and not FULL else looks.EVERYTHING
        found += [f"{visit} wide: {fault}" for fault in looks.barriers(page, asked)]
        page.set_viewport_size(NARROW)
        found += [f"{visit} narrow: {fault}" for fault in looks.too_wide(page)]
        if by_night and not of_one_template:
            looks.darken(page)
            dark = looks.barriers(page, looks.COLOURS)
            found += [f"{visit} narrow, dark: {fault}" for fault in dark]
        found += [f"{visit}: {fault}" for fault in gallery.watch.drain()]
    return found


@pytest.mark.parametrize("model", visits.registered(), ids=lambda model: model._meta.label_lower)
def test_the_pages_of_a_model_keep_nobody_out(
    gallery: Gallery, world: World, model: type[Model]
) -> None:
    # All of them have the same colours; an incident's has some more.
    by_night = FULL or model is Incident
    pages = visits.of_model(model, world.root)
    found = faults_of(gallery, world.root, pages, by_night=by_night)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", visits.places())
def test_the_other_pages_keep_nobody_out(gallery: Gallery, world: World, name: str) -> None:
    found = faults_of(gallery, visitor(name, world), visits.at(name, examples(world)))
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
