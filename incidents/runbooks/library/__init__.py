"""The runbooks that come with Tocsin, as files that teams may copy and change."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def shipped() -> dict[str, Path]:
    """Slug → file, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
