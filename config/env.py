"""Every environment variable that Tocsin reads, by name; README documents each one."""

import secrets
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

# FileAwareEnv: SECRET_KEY_FILE=/run/secrets/key works wherever SECRET_KEY does.
env = environ.FileAwareEnv()


def secret_key(data_dir: Path) -> str:
    """The signing key: SECRET_KEY, or one made at the first start and kept in the data folder.

    There is no default key that anybody could know.
    """
    given = env.str("SECRET_KEY", default="")
    if given:
        return given
    kept = data_dir / "secret_key"
    if not kept.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = data_dir / f"secret_key.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            # A hard link is made once even when several processes start together.
            kept.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return kept.read_text().strip()


SHORTEST_KEY = 32
KNOWN_KEYS = {"changeme", "change-me", "secret", "secret-key", "password", "insecure", "tests-only"}


def is_loopback(host: str) -> bool:
    """Whether only this machine itself can be reached under this name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def refuse_unsafe(*, debug: bool, secret_key: str, public_url: str) -> None:
    """ImproperlyConfigured where others could reach what is only good on one's own machine."""
    if is_loopback(urlsplit(public_url).hostname or "localhost"):
        return
    if debug:
        raise ImproperlyConfigured(
            f"DEBUG is on, and PUBLIC_URL is {public_url}: every error would show settings and "
            "source to strangers. Unset DEBUG, or unset PUBLIC_URL to work on this machine."
        )
    repeated = len(set(secret_key)) < 8
    known = secret_key.lower() in KNOWN_KEYS or secret_key.startswith("django-insecure-")
    if known or repeated or len(secret_key) < SHORTEST_KEY:
        raise ImproperlyConfigured(
            f"SECRET_KEY can be guessed, and PUBLIC_URL is {public_url}: whoever knows the key is "
            "everybody. Unset it to have one made and kept in DATA_DIR, or set at least "
            f"{SHORTEST_KEY} random characters: "
            'python -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
