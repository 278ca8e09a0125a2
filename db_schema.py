"""The tables of the library as SQL text, and the version they make.

Version 3 is what the app runs on. Versions 1 and 2 are older libraries; how to tell them
stands in `detect_version`, because both may carry `user_version` 0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

SCHEMA_VERSION: Final = 3
APPLICATION_ID: Final = 0x4C4B4550  # "LKEP", PRAGMA application_id

PHOTOS: Final = """
CREATE TABLE photos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    original_filename TEXT NOT NULL,
    current_path TEXT NOT NULL,
    date_taken TEXT,
    content_hash TEXT NOT NULL,
    file_size INTEGER NOT NULL,
    file_type TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    rating INTEGER,
    media_hash TEXT,
    orientation INTEGER,
    mtime_ns INTEGER,
    ctime_ns INTEGER,
    inode INTEGER,
    date_source TEXT NOT NULL DEFAULT 'none'
        CHECK (date_source IN ('exif', 'xmp', 'quicktime', 'sidecar', 'filename', 'none')),
    utc_offset TEXT,
    duration_s REAL,
    camera TEXT,
    kept_in TEXT CHECK (kept_in IN ('file', 'sidecar', 'beside', 'database')),
    sidecar_path TEXT,
    sidecar_mtime_ns INTEGER,
    sidecar_size INTEGER,
    reader_version INTEGER,
    added_at TEXT NOT NULL,
    missing_since TEXT
) STRICT
"""

DELETED_PHOTOS: Final = """
CREATE TABLE deleted_photos (
    id INTEGER PRIMARY KEY,
    original_path TEXT NOT NULL,
    trash_filename TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    photo_data TEXT NOT NULL
) STRICT
"""

TRASH_MOVES: Final = """
CREATE TABLE trash_moves (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_id TEXT,
    photo_id INTEGER,
    kind TEXT NOT NULL CHECK (kind IN ('trash', 'restore')),
    state TEXT NOT NULL CHECK (state IN ('planned', 'done')),
    path TEXT NOT NULL,
    trash_filename TEXT NOT NULL,
    entry_json TEXT NOT NULL,
    planned_at TEXT NOT NULL,
    done_at TEXT
) STRICT
"""
"""What is about to be moved into the trash or out of it, and what was."""

OPERATION_STATE: Final = """
CREATE TABLE operation_state (
    operation_id TEXT PRIMARY KEY,
    operation_type TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    checkpoint_data TEXT,
    performance_metrics TEXT,
    error_message TEXT
) STRICT
"""

HASH_CACHE: Final = """
CREATE TABLE hash_cache (
    file_path TEXT NOT NULL,
    mtime_ns INTEGER NOT NULL,
    file_size INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    media_hash TEXT NOT NULL,
    cached_at TEXT NOT NULL,
    PRIMARY KEY (file_path, mtime_ns, file_size)
) STRICT
"""

FOLDERS: Final = """
CREATE TABLE folders (
    path TEXT PRIMARY KEY,
    mtime_ns INTEGER NOT NULL
) STRICT
"""

FOLDER_NOTES: Final = """
CREATE TABLE folder_notes (
    path TEXT PRIMARY KEY REFERENCES folders (path) ON DELETE CASCADE,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    readers TEXT NOT NULL
) STRICT
"""
"""Folders of which a quick index need read nothing while `folders.mtime_ns` and these are as the
disk says, and the readers are the same: every photo in them has its row."""

WRITE_JOURNAL: Final = """
CREATE TABLE write_journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_id TEXT REFERENCES operation_state (operation_id) ON DELETE SET NULL,
    photo_id INTEGER REFERENCES photos (id) ON DELETE SET NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    temporary_path TEXT,
    before_json TEXT,
    after_json TEXT,
    content_hash_before TEXT,
    content_hash_after TEXT,
    media_hash TEXT,
    planned_at TEXT NOT NULL,
    done_at TEXT
) STRICT
"""

COMPANIONS: Final = """
CREATE TABLE companions (
    photo_id INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
    leader_id INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE
) STRICT
"""
"""Photos that the grid shows by another's cell: a Live Photo's film, the RAW of a JPEG."""

FACT_SEALS: Final = """
CREATE TABLE fact_seals (
    seal BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID
"""
"""Digests of what the index read: a rebuild takes facts from no row without one."""

TABLES: Final = (
    PHOTOS,
    DELETED_PHOTOS,
    OPERATION_STATE,
    HASH_CACHE,
    FOLDERS,
    FOLDER_NOTES,
    WRITE_JOURNAL,
    COMPANIONS,
    FACT_SEALS,
    TRASH_MOVES,
)

INDICES: Final = (
    # A path is one present photo; a missing row may share its path with the picture that
    # took its place.
    "CREATE UNIQUE INDEX idx_current_path ON photos (current_path) WHERE missing_since IS NULL",
    # The months of the page are counted from this index alone.
    "CREATE INDEX idx_present_date_id ON photos (missing_since, date_taken, id)",
    # All that a filter or the words of a search look at, in page order (photo_filter).
    "CREATE INDEX idx_present_search ON photos (missing_since, date_taken, id, rating, file_type,"
    " added_at, camera, current_path)",
    "CREATE INDEX idx_content_hash ON photos (content_hash)",
    "CREATE INDEX idx_media_hash ON photos (media_hash)",
    "CREATE INDEX idx_date_taken ON photos (date_taken)",
    "CREATE INDEX idx_file_type ON photos (file_type)",
    "CREATE INDEX idx_rating ON photos (rating)",
    "CREATE INDEX idx_photos_date_id ON photos (date_taken, id)",
    "CREATE INDEX idx_favorites ON photos (rating, date_taken, id)",
    "CREATE INDEX idx_unkept ON photos (missing_since) WHERE kept_in = 'database'",
    "CREATE INDEX idx_operation_status ON operation_state (status)",
    "CREATE INDEX idx_operation_type ON operation_state (operation_type)",
    "CREATE INDEX idx_operation_updated ON operation_state (updated_at)",
    "CREATE INDEX idx_hash_cache_path ON hash_cache (file_path)",
    "CREATE INDEX idx_hash_cache_hash ON hash_cache (content_hash)",
    "CREATE INDEX idx_journal_path ON write_journal (path)",
    "CREATE INDEX idx_journal_state ON write_journal (state)",
    "CREATE INDEX idx_journal_photo ON write_journal (photo_id)",
    "CREATE INDEX idx_journal_operation ON write_journal (operation_id)",
    "CREATE INDEX idx_companions_leader ON companions (leader_id)",
    "CREATE INDEX idx_trash_moves_operation ON trash_moves (operation_id)",
)

STATEMENTS: Final = TABLES + INDICES
_NAME: Final = re.compile(r"CREATE (?:UNIQUE )?(?:TABLE|INDEX) (\w+)")


def list_names(statements: Iterable[str]) -> list[tuple[str, str]]:
    """The name of the table or index that each of these statements makes, and the statement."""
    return [(_NAME.findall(statement)[0], statement) for statement in statements]


def list_missing_statements(names: Collection[str]) -> list[str]:
    """What makes the tables and indices that are not among `names` of a version 3 database.

    Tables that hold nothing but what an index finds, or what is about to be done, may be added
    without a new version.
    """
    return [statement for name, statement in list_names(STATEMENTS) if name not in names]


def detect_version(
    user_version: int, tables: Collection[str], photo_columns: Collection[str]
) -> int | None:
    """The schema version of a database, None when it is not a photo library at all.

    `user_version` is 0 in version 1 and mostly in version 2, so tables and columns decide:
    `rating` came with version 2, `media_hash` with version 3.
    """
    if user_version > SCHEMA_VERSION:
        return user_version
    if "photos" not in tables or "current_path" not in photo_columns:
        return None
    if "media_hash" in photo_columns:
        return 3
    if "rating" in photo_columns or "operation_state" in tables:
        return 2
    return 1
