"""Real servers for tests, each started for the occasion and gone afterwards.

They listen on the loopback interface only. PostgreSQL and Redis keep their files in a temporary
folder, and run as a user without rights when the tests run as root. Only processes started here
are ever signalled. `provider` is the outermost wire: somebody else's HTTP service that can
misbehave.
"""

from drills.demo.process import free_port
from tests.chaos.servers.own import Postgres, Redis, binary, faketime, missing, postgres, redis
from tests.chaos.servers.provider import Manner, Provider, Received, provider
from tests.chaos.servers.waiting import alive, eventually

__all__ = [
    "Manner",
    "Postgres",
    "Provider",
    "Received",
    "Redis",
    "alive",
    "binary",
    "eventually",
    "faketime",
    "free_port",
    "missing",
    "postgres",
    "provider",
    "redis",
]
