"""E-mail by SMTP: a fixed Message-ID per delivery, so that mailboxes can drop a repeat."""

import contextlib
import logging
import smtplib
from email.message import MIMEPart
from email.policy import SMTP

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email
from django.template.loader import render_to_string

from incidents.notifications.transports.base import Outgoing, Sent, TransportError

logger = logging.getLogger(__name__)

SECONDS = 10


def check(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise TransportError(f"{address!r} is not an e-mail address.", permanent=True) from None


def send(outgoing: Outgoing) -> Sent:
    if not settings.SMTP_HOST:
        raise TransportError("No mail server is set up here (SMTP_HOST).", permanent=True)
    check(outgoing.address)
    message = _message(outgoing)
    server = _server()
    try:
        server.open()
        server.send_messages([message])
    except (OSError, ValueError) as error:
        raise _translated(error) from error
    finally:
        # It was taken or refused by now: a bad farewell changes nothing.
        with contextlib.suppress(OSError):
            server.close()
    return Sent(provider_id=message.extra_headers["Message-ID"])


def _server() -> EmailBackend:
    return EmailBackend(
        alias="outbox",
        host=settings.SMTP_HOST,
        port=settings.SMTP_PORT,
        username=settings.SMTP_USER,
        password=settings.SMTP_PASSWORD,
        use_tls=settings.SMTP_STARTTLS,
        use_ssl=settings.SMTP_SSL,
        timeout=SECONDS,
    )


def _message(outgoing: Outgoing) -> EmailMultiAlternatives:
    headers = {
        "Message-ID": f"<{outgoing.id}@{settings.MAIL_DOMAIN}>",
        "Auto-Submitted": "auto-generated",
        "X-Tocsin-Incident": outgoing.reference,
    }
    if outgoing.urgency == "page":
        headers |= {"Importance": "high", "X-Priority": "1"}
    message = EmailMultiAlternatives(
        subject=outgoing.subject,
        body=outgoing.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[outgoing.address],
        headers={name: value for name, value in headers.items() if value},
    )
    if html := outgoing.html or _html(outgoing):
        message.attach_alternative(html, "text/html")
    if outgoing.calendar:
        message.attach(_invitation(outgoing.calendar))
    return message


def _invitation(calendar: str) -> MIMEPart:
    """RFC 6047: mail programs show what to do with it by the method in the header."""
    method = "CANCEL" if "\r\nMETHOD:CANCEL\r\n" in calendar else "REQUEST"
    part = MIMEPart(policy=SMTP)
    part.set_content(calendar, subtype="calendar", charset="utf-8", cte="base64")
    part.set_param("method", method)
    part["Content-Disposition"] = 'attachment; filename="invite.ics"'
    return part


def _html(outgoing: Outgoing) -> str:
    try:
        return render_to_string("notifications/email.html", {"message": outgoing})
    except Exception:
        # Words without colours beat no words at all.
        logger.exception("Unable to render %s as HTML; it leaves as plain text", outgoing.id)
        return ""


def _translated(error: Exception) -> TransportError:
    """5xx is for ever, 4xx and everything that is wrong with the line is for now."""
    answers: list[tuple[int, bytes | str]] = []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = list(error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        answers = [(error.smtp_code, error.smtp_error)]
    permanent = isinstance(error, ValueError | smtplib.SMTPNotSupportedError) or (
        bool(answers) and all(code >= 500 for code, _ in answers)
    )
    said = "; ".join(f"{code} {_text(words)}" for code, words in answers)
    return TransportError(said or f"{type(error).__name__}: {error}", permanent=permanent)


def _text(words: bytes | str) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else words
