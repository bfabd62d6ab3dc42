"""One file from the network, checked, and on the disk whole or not at all."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from epochal.core.errors import EpochalError
from epochal.storage import atomic_write

__all__ = ["DownloadError", "cache_folder", "download"]

_CHUNK = 1 << 20


class DownloadError(EpochalError, OSError):
    """A file could not be fetched, or is not what it should be; nothing was kept of it."""


def cache_folder(name: str) -> Path:
    """Return where downloads are kept: `~/.cache/epochal/name`, or below XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG rules say that a relative path there counts for nothing.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "epochal" / name


def download(url: str, target: Path, md5: str, *, timeout: float = 30.0) -> None:
    """Fetch one file.

    Args:
        url: Where it is, over HTTP.
        target: Where it goes; missing folders are made.
        md5: What its bytes have to add up to.
        timeout: Seconds to wait for the next bytes.

    Raises:
        DownloadError: If the server cannot be reached, has no such file, stops in the middle or
            sends other bytes than expected.
        StorageError: If the machine cannot write.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with atomic_write(target, make_folder=True) as file:
        for chunk in _chunks(url, timeout):
            digest.update(chunk)
            file.write(chunk)
        got = digest.hexdigest()
        if got != md5:
            raise DownloadError(
                f"{url} has MD5 {got}, expected {md5}: it was damaged on the way or replaced; "
                "the download was removed"
            )


def _chunks(url: str, timeout: float) -> Iterator[bytes]:
    """Yield the body; the errors of the network, and no others, become ours here."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            promised = response.headers["Content-Length"]
            got = 0
            while chunk := response.read(_CHUNK):
                got += len(chunk)
                yield chunk
    except urllib.error.HTTPError as error:
        # Closed here: it holds the connection, and one left open warns when it is collected.
        error.close()
        raise DownloadError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url} cannot be fetched: {reason}") from error
    # `read` of a given size takes an early end for the end of the file.
    if promised is not None and got != int(promised):
        raise DownloadError(f"{url} ended after {got:,} of {int(promised):,} bytes; try again")
