from celery import shared_task

from incidents.insights import services


@shared_task(ignore_result=True)
def look() -> None:
    services.look()
