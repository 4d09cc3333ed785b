from celery import shared_task

from incidents.alerts import services


@shared_task(ignore_result=True)
def prune() -> None:
    services.prune_requests()
