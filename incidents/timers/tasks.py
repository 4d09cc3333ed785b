import threading

from celery import shared_task

from incidents.timers import engine, services

# A long tick must not fill the worker's threads with more of its kind.
_one_at_a_time = threading.Semaphore()


@shared_task(ignore_result=True)
def tick() -> None:
    if _one_at_a_time.acquire(blocking=False):
        try:
            engine.tick()
        finally:
            _one_at_a_time.release()


@shared_task(ignore_result=True)
def prune() -> None:
    services.prune()
