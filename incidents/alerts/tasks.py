from celery import shared_task

from incidents.alerts import services
from incidents.core import configuration


@shared_task(ignore_result=True)
def prune() -> None:
    services.prune_requests()
    configuration.forget_changes()
