"""Celery: an alarm clock. Every periodic thing of the house stands in `beat_schedule` below.

Redis holds hints only. Losing any task, or all of them, costs seconds and never a page: the rows
of timers and deliveries are the truth, and `manage.py clock` works them off without a broker.
"""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("tocsin")
app.conf.update(
    beat_schedule={
        "what is due happens": {
            "task": "incidents.timers.tasks.tick",
            "schedule": 1.0,
            "options": {"expires": 5, "queue": "clock"},
        },
        "pages and messages leave": {
            "task": "incidents.notifications.tasks.dispatch",
            "schedule": 1.0,
            "options": {"expires": 5, "queue": "outbox"},
        },
        "the auditor looks": {
            # Once a minute; asked more often, so that one that was missed is made up for soon.
            "task": "incidents.insights.tasks.look",
            "schedule": 20.0,
            "options": {"expires": 20, "queue": "clock"},
        },
        "old timers are forgotten": {
            "task": "incidents.timers.tasks.prune",
            "schedule": 3600.0,  # a day would never end where it is restarted every night
            "options": {"expires": 3600, "queue": "clock"},
        },
        "old deliveries are forgotten": {
            "task": "incidents.notifications.tasks.prune",
            "schedule": 3600.0,  # a day would never end where it is restarted every night
            "options": {"expires": 3600, "queue": "clock"},
        },
        "the status page is kept": {
            "task": "incidents.comms.tasks.keep_status_page",
            "schedule": 60.0,
            "options": {"expires": 60, "queue": "clock"},
        },
        "old requests are forgotten": {
            "task": "incidents.alerts.tasks.prune",
            "schedule": 60.0,
            "options": {"expires": 60, "queue": "clock"},
        },
    },
    task_default_queue="clock",
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    enable_utc=True,
    timezone="UTC",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    # A broker that is away must cost a nudge two seconds at most, and a worker never gives up.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_acquire_timeout=2,
    broker_transport_options={
        "global_keyprefix": settings.REDIS_PREFIX,
        "visibility_timeout": 60,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "health_check_interval": 10,
    },
    task_publish_retry=False,
    worker_soft_shutdown_timeout=15,
    worker_cancel_long_running_tasks_on_connection_loss=True,
)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
