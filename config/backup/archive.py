"""The file: a tar with a manifest, the dump, and the signing key where it was asked for."""

import hashlib
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

FORMAT = 1
MANIFEST, DUMP, KEY = "manifest.json", "database", "secret_key"
BLOCK = 1 << 20


class BackupError(Exception):
    """It was not done; nothing was changed. The message says what to do."""


@dataclass(frozen=True)
class Manifest:
    """What is in the archive. `rows`: table → how many; `digests`: member → SHA-256."""

    engine: str
    taken_at: str
    version: str
    migrations: list[str]
    rows: dict[str, int]
    digests: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def has_key(self) -> bool:
        return KEY in self.digests


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A folder for unfinished work on the same disk as `path`, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        yield Path(folder)


def write(path: Path, manifest: Manifest, *, dump: Path, key: str | None) -> None:
    """Put the archive where `path` says: whole, readable by its owner only, or not at all."""
    members = {DUMP: dump}
    if key is not None:
        members[KEY] = dump.with_name(KEY)
        members[KEY].write_text(key)
    digests = {name: digest_of(file) for name, file in members.items()}
    facts = asdict(manifest) | {"digests": digests}
    described = dump.with_name(MANIFEST)
    described.write_text(json.dumps(facts, indent=1))
    draft = dump.with_name("archive")
    with _private(draft) as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as tar:
            for name, file in {MANIFEST: described, **members}.items():
                tar.add(file, name, filter=_anonymous)
        raw.flush()
        os.fsync(raw.fileno())
    draft.rename(path)


def unpack(path: Path, folder: Path) -> Manifest:
    """The manifest, and in `folder` the members, each proven to be what was written."""
    try:
        with tarfile.open(path) as tar:
            manifest = _manifest(tar)
            for name in manifest.digests:
                tar.extract(tar.getmember(name), folder, filter="data")
    except (OSError, EOFError, tarfile.TarError, zlib.error, KeyError, ValueError, TypeError) as e:
        why = (str(e).splitlines() or [type(e).__name__])[0]
        raise BackupError(f"{path} is no backup of Tocsin, or it is damaged: {why}") from e
    for name, digest in manifest.digests.items():
        if digest_of(folder / name) != digest:
            raise BackupError(f"{path} is damaged: the checksum of its {name} is wrong.")
    return manifest


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.extractfile(MANIFEST)
    if member is None:
        raise KeyError(MANIFEST)
    manifest = Manifest(**json.load(member))
    if manifest.format != FORMAT:
        raise BackupError(f"This Tocsin cannot read backups of format {manifest.format}.")
    if not set(manifest.digests) <= {DUMP, KEY} or DUMP not in manifest.digests:
        raise KeyError(DUMP)
    return manifest


def digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose machine it was made on is nobody's business."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member
