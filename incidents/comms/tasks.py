from celery import shared_task

from incidents.comms import snapshot


@shared_task(ignore_result=True)
def keep_status_page() -> None:
    snapshot.keep()
