from celery import shared_task

from incidents.notifications import engine, services


@shared_task(ignore_result=True)
def dispatch() -> None:
    engine.dispatch()


@shared_task(ignore_result=True)
def prune() -> None:
    services.prune()
