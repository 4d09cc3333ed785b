"""Writing together, and threads that go home: real threads, no database."""

import threading
import time

import pytest

from incidents.notifications import crew
from incidents.notifications.crew import Crew
from incidents.notifications.together import Together
from tests.chaos.servers import eventually


def all_at_once(together: Together[int], items: range) -> list[Exception | None]:
    start, outcomes = threading.Barrier(len(items)), [None] * len(items)

    def put(number: int) -> None:
        start.wait()
        try:
            together.put(number)
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=put, args=[number]) for number in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_everything_is_written_once_and_what_came_meanwhile_together():
    written: list[list[int]] = []

    def write(items):
        time.sleep(0.02)
        written.append(list(items))

    outcomes = all_at_once(Together(write), range(16))

    assert sorted(number for batch in written for number in batch) == list(range(16))
    assert len(written) < 16
    assert outcomes == [None] * 16


def test_what_cannot_be_written_stops_only_itself():
    written: list[int] = []

    def write(items):
        time.sleep(0.02)
        if 3 in items:
            raise ValueError(3)
        written.extend(items)

    outcomes = all_at_once(Together(write), range(8))

    assert sorted(written) == [0, 1, 2, 4, 5, 6, 7]
    assert [number for number, error in enumerate(outcomes) if error] == [3]


def test_no_more_threads_work_than_there_are_and_jobs_wait_for_them():
    gang, release, at_once, most = Crew(3, name="test"), threading.Event(), [], []

    def job() -> None:
        at_once.append(1)
        most.append(len(at_once))
        release.wait(5)
        at_once.pop()

    for _ in range(10):
        gang.submit(job)
    eventually(lambda: len(most) == 3)
    release.set()
    gang.close(wait=True)

    assert len(most) == 10
    assert max(most) == 3
    with pytest.raises(RuntimeError):
        gang.submit(job)


def test_an_idle_thread_goes_home_and_another_comes_when_it_is_needed(monkeypatch):
    monkeypatch.setattr(crew, "IDLE_SECONDS", 0.05)
    gang, done = Crew(2, name="test-idle"), []

    def threads() -> int:
        return sum(thread.name == "test-idle" for thread in threading.enumerate())

    for number in range(5):
        gang.submit(lambda number=number: done.append(number))
        eventually(lambda number=number: number in done)
        eventually(lambda: threads() == 0)
    gang.close(wait=True)

    assert done == [0, 1, 2, 3, 4]


def test_a_job_that_raises_does_not_take_its_thread_with_it():
    gang, done = Crew(1, name="test"), []

    gang.submit(lambda: 1 / 0)
    gang.submit(lambda: done.append(1))
    gang.close(wait=True)

    assert done == [1]
