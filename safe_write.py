"""The safe write: an original is replaced only by a copy that was proven to hold its picture.

A new file is written beside the original, read back, compared with it byte by byte where the
picture is and tag by tag where it is not, given the original's attributes, and put in its place
by one rename. Until that rename nothing of the original is touched, whatever goes wrong.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from errors import DiskFullError, EditRefusedError, NotWritableError, PictureError
from exiftool_process import ExifTool
from media_types import SIGNATURE_BYTES, detect_format
from metadata import TagValue, comparable
from picture_bytes import same_picture

TEMPORARY_SUFFIX: Final = ".lightkeep-tmp"
_MOST_NAME_BYTES: Final = 255
_SPARE_BYTES: Final = 4 << 20
_NS_PER_S: Final = 1_000_000_000
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_TOOLKIT: Final = "XMP-x:XMPToolkit"
_UNCOMPARED: Final = (
    *("System:", "ExifTool:", "Composite:", "File:FileType", "File:ExifByteOrder"),
    "RIFF:WebP_Flags",
)
_ALWAYS_IN_EXIF: Final = MappingProxyType(
    {
        "IFD0": ("XResolution", "YResolution", "ResolutionUnit", "YCbCrPositioning"),
        "ExifIFD": (
            *("ExifVersion", "ComponentsConfiguration", "FlashpixVersion", "ColorSpace"),
            *("ExifImageWidth", "ExifImageHeight"),
        ),
    }
)
"""What ExifTool puts into every block of EXIF, and takes out with the last other tag of it."""

_PLACE_IN_FILE: Final = re.compile(r"(Offsets?|Start|Pointer|MediaDataSize)$")
"""Tags that say where in the file something lies; they follow when a block grows."""

_HANDLER: Final = re.compile(r":Handler(Type|VendorID|Description|Class)$")

Stamps: TypeAlias = tuple[int, int, int, int]
"""Inode, size, mtime_ns, ctime_ns: another writer changes at least one of them."""


@dataclass(frozen=True, slots=True)
class Original:
    """A photo file as it was read before an edit; `tags` are all of them, by `Group:Tag`."""

    path: str
    file_type: str
    content_hash: str
    media_hash: str
    stamps: Stamps
    tags: Mapping[str, TagValue]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was seen of a copy: whether it holds the original's picture, and its `content_hash`."""

    same_picture: bool
    content_hash: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """What took an original's place; `stamps` as they were right then."""

    content_hash: str
    stamps: Stamps


CheckCopy: TypeAlias = Callable[[str, str, str], CopyReport]
BeforeReplace: TypeAlias = Callable[[str], None]
"""Called with the `content_hash` of what is about to take the original's place."""


def make_stamps(result: os.stat_result) -> Stamps:
    return result.st_ino, result.st_size, result.st_mtime_ns, result.st_ctime_ns


def name_temporary(path: str) -> str:
    """A free name beside `path`, hidden, and of a length that every file system takes."""
    folder, name = os.path.split(path)
    ending = f".{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    too_long = len(os.fsencode(f".{name}{ending}")) > _MOST_NAME_BYTES
    if too_long or any(letter in name for letter in "\n\r%"):  # ExifTool would read these
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return os.path.join(folder, f".{name}{ending}")


def refuse_unwritable(path: str) -> Stamps:
    """The stamps of a file that may be replaced.

    Raises `NotWritableError` for one that shares its bytes with other names, that nobody or
    not this user may write, or whose owner could not be kept.
    """
    with _explained(path):
        result = os.stat(path, follow_symlinks=False)
    if not stat.S_ISREG(result.st_mode):
        raise EditRefusedError(f"{path} is no regular file.")
    if result.st_nlink > 1:
        raise NotWritableError(f"{path} has another name (a hard link), which a write would part.")
    if not result.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise NotWritableError(f"{path} is read-only.")
    if os.geteuid() not in (0, result.st_uid):
        raise NotWritableError(f"{path} belongs to another user.")
    return make_stamps(result)


def write_tags(
    original: Original,
    changes: Mapping[str, TagValue | None],
    temporary: str,
    *,
    exiftool: ExifTool,
    check_copy: CheckCopy,
    before_replace: BeforeReplace,
    may_lose: Collection[str] = (),
) -> Replaced:
    """Bring these tags into the file of `original`.

    changes: `Group:Tag` -> value, None to take it out. temporary: a free name beside it.
    before_replace: the last step before the rename; what it raises ends the write.
    may_lose: EXIF blocks (`IFD0`, `ExifIFD`) that came with a tag that is taken out.
    Raises `NotWritableError` where ExifTool or the format will not do, `DiskFullError`, and
    `EditRefusedError` where the file was changed meanwhile. The original is then untouched.
    """
    path = original.path
    refuse_unwritable(path)
    _refuse_full_disk(path, original.stamps[1])
    changed = _blamed_on_change(path, original.stamps)
    with _removed_on_failure(temporary), changed, _explained(path):
        try:
            kept = _keep_toolkit(original, changes)
            exiftool.write_copy(path, temporary, {**kept, **changes})
            written = exiftool.read_every_tag(temporary)
            lost = _list_lost_exif(original, written)
            if kept_exif := {k: v for k, v in lost.items() if k.partition(":")[0] not in may_lose}:
                remove_temporary(temporary)
                exiftool.write_copy(path, temporary, {**kept, **kept_exif, **changes})
                written = exiftool.read_every_tag(temporary)
                lost = {tag: value for tag, value in lost.items() if tag not in kept_exif}
        except PictureError as error:
            _refuse_full_disk(path, 0)
            raise NotWritableError(f"{path}: {error.message}") from error
        _compare_tags(original, {**changes, **dict.fromkeys(lost)}, written)
        report = check_copy(path, temporary, original.file_type)
        if not report.same_picture:
            raise NotWritableError(f"{path}: ExifTool's copy does not hold the same picture.")
        hashed = report.content_hash
        stamps = _put_in_place(temporary, path, original.stamps, hashed, before_replace)
    return Replaced(hashed, stamps)


def write_bytes(
    path: str, data: bytes, temporary: str, *, stamps: Stamps | None, before_replace: BeforeReplace
) -> str:
    """Put `data` in place of the file at `path`, or make it (`stamps` None); its `content_hash`.

    Raises as `write_tags`; `EditRefusedError` too where a file stands that should not be there.
    """
    content_hash = hashlib.sha256(data).hexdigest()
    if stamps is not None:
        refuse_unwritable(path)
    _refuse_full_disk(path, len(data))
    with _removed_on_failure(temporary), _explained(path):
        with open(temporary, "xb") as file:
            file.write(data)
        _put_in_place(temporary, path, stamps, content_hash, before_replace)
    return content_hash


def remove_file(path: str, *, stamps: Stamps, before_removal: BeforeReplace) -> None:
    """Remove a file of ours that is still the one that was read. Raises as `write_bytes`."""
    with _explained(path):
        _refuse_changed(path, stamps)
        before_removal("")
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def read_small_file(path: str, most_bytes: int) -> tuple[bytes, Stamps]:
    """A file's bytes and the stamps that they had. Raises `OSError`, for one too large as well."""
    with _open_regular(path) as file:
        data = file.read(most_bytes + 1)
        stamps = make_stamps(os.fstat(file.fileno()))
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return data, stamps


def check_copy(original: str, copy: str, file_type: str) -> CopyReport:
    """Compare a copy with its original, and hash it; for a worker, for both are foreign bytes."""
    with _open_regular(original) as before, _open_regular(copy) as after:
        head = os.pread(after.fileno(), SIGNATURE_BYTES, 0)
        kept_type = detect_format(head, os.path.basename(original)) == file_type
        same = kept_type and same_picture(before, after, file_type)
        after.seek(0)
        content_hash = hashlib.file_digest(after, "sha256").hexdigest()
    return CopyReport(same, content_hash)


def remove_temporary(temporary: str) -> None:
    """Remove a copy that never took its place; one that is not there needs nothing."""
    # A read-only disk refuses to remove even what is not there.
    if os.path.lexists(temporary):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def sync_folder(folder: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- comparing ---------------------------------------------------------------------------------


def _keep_toolkit(
    original: Original, changes: Mapping[str, TagValue | None]
) -> dict[str, TagValue | None]:
    """The name of the program that wrote the XMP, which ExifTool would replace by its own."""
    if not any(tag.startswith("XMP-") for tag in changes):
        return {}
    value = original.tags.get(_TOOLKIT)
    plain = isinstance(value, str) and value.isprintable() and value == value.strip()
    return {_TOOLKIT: value if value and plain else None}


def list_missing_blocks(tags: Mapping[str, TagValue]) -> tuple[str, ...]:
    """The blocks of EXIF that a file with these tags does not have."""
    return tuple(
        block for block in _ALWAYS_IN_EXIF if not any(tag.startswith(f"{block}:") for tag in tags)
    )


def _list_lost_exif(
    original: Original, written: Mapping[str, TagValue]
) -> dict[str, TagValue | None]:
    """What went with a block of EXIF that ExifTool took out."""
    names = (
        f"{block}:{name}"
        for block in list_missing_blocks(written)
        for name in _ALWAYS_IN_EXIF[block]
    )
    return {tag: original.tags[tag] for tag in names if tag in original.tags}


def _compare_tags(
    original: Original, changes: Mapping[str, TagValue | None], written: Mapping[str, TagValue]
) -> None:
    """Raise where a tag is not as wanted, or another one was lost or is different."""
    for tag, value in changes.items():
        if (comparable(written.get(tag)) or None) != (comparable(value) or None):
            raise NotWritableError(f"{original.path}: {tag} could not be written.")
    boxed = any(tag.startswith("Keys:") for tag in changes)
    for tag, value in original.tags.items():
        if boxed and _HANDLER.search(tag):
            continue  # Apple's keys stand in a box of their own, which says who handles it
        if tag in changes or _is_uncompared(tag) or written.get(tag) == value:
            continue
        raise NotWritableError(f"{original.path}: the write would have changed {tag} as well.")


def _is_uncompared(tag: str) -> bool:
    return tag.startswith(_UNCOMPARED) or tag == _TOOLKIT or bool(_PLACE_IN_FILE.search(tag))


# -- putting in place --------------------------------------------------------------------------


def _put_in_place(
    temporary: str,
    path: str,
    stamps: Stamps | None,
    content_hash: str,
    before_replace: BeforeReplace,
) -> Stamps:
    """Give `temporary` the attributes of what lies at `path`, and its name; its stamps there."""
    if stamps is not None:
        _copy_attributes(path, temporary)
    with _open_regular(temporary) as file:
        os.fsync(file.fileno())
    _refuse_changed(path, stamps)
    before_replace(content_hash)
    _refuse_changed(path, stamps)
    if stamps is None:
        _link_new(temporary, path)
    else:
        os.replace(temporary, path)
    # Taken at once: later they may be those of another program's bytes.
    placed = make_stamps(os.stat(path, follow_symlinks=False))
    sync_folder(os.path.dirname(path))
    return placed


def _refuse_changed(path: str, stamps: Stamps | None) -> None:
    try:
        now = make_stamps(os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        now = None
    if now != stamps:
        raise EditRefusedError(f"{path} was changed by another program meanwhile. Try again.")


def _link_new(temporary: str, path: str) -> None:
    """Give it a name that nothing has: unlike a rename a link never replaces what is there."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        os.rename(temporary, path)  # FAT and some shares know no links
    else:
        os.unlink(temporary)


def _copy_attributes(path: str, temporary: str) -> None:
    """Owner, mode, extended attributes (ACLs are such) and times, which are then compared."""
    before = os.stat(path, follow_symlinks=False)
    own = os.stat(temporary, follow_symlinks=False)
    if (own.st_uid, own.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    attributes = _list_attributes(path)
    for name in _list_attributes(temporary).keys() - attributes.keys():
        os.removexattr(temporary, name)  # an ACL that the folder gives to new files
    shutil.copystat(path, temporary, follow_symlinks=False)
    if os.stat(temporary).st_size == before.st_size:
        # Backup tools that look at size and time alone must see the change.
        os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns + _NS_PER_S))
    after = os.stat(temporary, follow_symlinks=False)
    kept = (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
    )
    if not kept or _list_attributes(temporary) != attributes:
        raise NotWritableError(f"{path}: its owner, mode or attributes could not be kept.")


def _list_attributes(path: str) -> dict[str, bytes]:
    """What a person or a system set on a file; `security.` is the kernel's own."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in names
            if name.startswith(("user.", "system.posix_acl"))
        }
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENODATA, errno.ENOSYS):
            return {}
        raise


# -- trouble -----------------------------------------------------------------------------------


def _refuse_full_disk(path: str, size: int) -> None:
    if shutil.disk_usage(os.path.dirname(path)).free < size + _SPARE_BYTES:
        raise _full_disk(path)


def _full_disk(path: str) -> DiskFullError:
    return DiskFullError(
        f"There is no room on the disk to write {path} anew. It is as it was; make room, and "
        "try again."
    )


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Make sentences of what the disk says."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full_disk(path) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise EditRefusedError(f"{path} is not there now.") from error
        raise NotWritableError(f"{path} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def _blamed_on_change(path: str, stamps: Stamps) -> Iterator[None]:
    """Where the file is no longer the one that was read, that is why it cannot be written."""
    try:
        yield
    except NotWritableError:
        _refuse_changed(path, stamps)
        raise


@contextlib.contextmanager
def _removed_on_failure(temporary: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            remove_temporary(temporary)
        raise


@contextlib.contextmanager
def _open_regular(path: str) -> Iterator[io.BufferedReader]:
    """The file itself: no link at the end of its path, no pipe."""
    descriptor = os.open(path, _READ_FLAGS)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise EditRefusedError(f"{path} is no regular file.")
        yield file
