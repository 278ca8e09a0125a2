"""Rows made without files, for tests that need many or exact ones."""

from __future__ import annotations

from catalog import PhotoRecord


def make_record(
    path: str, date: str | None, rating: int | None = None, file_type: str = "jpeg"
) -> PhotoRecord:
    """The record of a photo at `path`, its picture hash made from the path.

    file_type: `jxl` for a page of many; nothing draws it, so no small pictures of files that are
    not there are asked for.
    """
    return PhotoRecord(
        original_filename=path.rpartition("/")[2],
        current_path=path,
        date_taken=date,
        content_hash="c" * 64,
        file_size=1,
        file_type=file_type,
        width=4,
        height=3,
        rating=rating,
        media_hash=f"{file_type}:{path}",
        orientation=1,
        mtime_ns=1,
        ctime_ns=1,
        inode=1,
        date_source="exif" if date else "none",
        utc_offset=None,
        duration_s=None,
        camera=None,
        kept_in="file" if rating else None,
        sidecar_path=None,
        sidecar_mtime_ns=None,
        sidecar_size=None,
        reader_version=1,
    )
