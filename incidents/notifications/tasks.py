import threading

from celery import shared_task

from incidents.notifications import engine, services

# A look takes some milliseconds. One that waits for a lock must not keep the others from theirs.
TURN_SECONDS = 0.5
_turn, _next = threading.Lock(), threading.Lock()


@shared_task(ignore_result=True)
def dispatch() -> None:
    """Look into the outbox. Who comes while another waits for its turn need not look as well: what
    is due by now will be seen by that one."""
    if not _next.acquire(blocking=False):
        return
    is_ours = _turn.acquire(timeout=TURN_SECONDS)
    _next.release()
    try:
        engine.dispatch()
    finally:
        if is_ours:
            _turn.release()


@shared_task(ignore_result=True)
def prune() -> None:
    services.prune()
