"""Every environment variable that Tocsin reads, by name; README documents each one."""

import secrets
from pathlib import Path

import environ

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
