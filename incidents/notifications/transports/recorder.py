"""Remembers what was sent, in this process. The outermost wire of the tests."""

from typing import ClassVar

from incidents.notifications.transports.base import Outgoing, Sent, TransportError, require_demo


class Recorder:
    """`sent`: everything that left, oldest first. `refusals`: address → how sending there fails."""

    sent: ClassVar[list[Outgoing]] = []
    refusals: ClassVar[dict[str, TransportError]] = {}

    @classmethod
    def reset(cls) -> None:
        cls.sent.clear()
        cls.refusals.clear()

    @classmethod
    def to(cls, address: str) -> list[Outgoing]:
        """What was sent to one address."""
        return [outgoing for outgoing in cls.sent if outgoing.address == address]


def check(_address: str) -> None:
    require_demo("recorder")


def send(outgoing: Outgoing) -> Sent:
    require_demo("recorder")
    if refusal := Recorder.refusals.get(outgoing.address):
        raise refusal
    Recorder.sent.append(outgoing)
    return Sent(provider_id=f"recorder-{len(Recorder.sent)}")
