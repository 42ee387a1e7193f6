"""Zip archives from outside: read whole, after what they claim has been held against their size."""

from __future__ import annotations

import io
import zipfile
import zlib

from rnn2vec.errors import RNN2VecError

MOST = 20
"""Times the file that its entries may take; numbers compress little."""

SPARE = 2**20


def entries(content: bytes) -> dict[str, bytes]:
    """The content of every entry of an archive, by name.

    Raises:
        RNN2VecError: if it is damaged, encrypted, has two entries of one name, or would grow too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = [own for own in archive.infolist() if not own.is_dir()]
            claimed, allowed = sum(own.file_size for own in listed), MOST * len(content) + SPARE
            if claimed > allowed:
                raise RNN2VecError(
                    f"an archive holds at most {MOST} times its own size; this one of {len(content)} bytes claims "
                    f"{claimed}"
                )
            if len({own.filename for own in listed}) < len(listed):
                raise RNN2VecError("the entries of an archive have different names; two are alike")
            return {own.filename: archive.read(own) for own in listed}
    except RNN2VecError:
        raise
    # zipfile believes what headers say: sizes that no file has, names of no letters
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        ArithmeticError,
    ) as error:
        raise RNN2VecError(f"it is no whole archive ({error}): it was truncated or altered") from error
