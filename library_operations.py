"""The long operations of a library: start, resume, cancel, and which deed each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import operation_state
import photo_listing
import work_meter
from daily_backup import rotate_now
from date_edit import DateEdits, DateMode
from duplicates import Duplicates
from edit_undo import EditUndo
from errors import (
    InvalidRequestError,
)
from favorites import Favorites
from import_plan import ImportPlan
from library_location import (
    BACKUPS_DIR,
)
from library_parts import LibraryParts
from operation_parameters import PARAMETERS, check_parameters, known_type
from operation_progress import Progress
from operation_runner import Deed, OperationContext, OperationRunner, OperationStopped
from operation_state import Operation, OperationStatus, OperationType
from photo_filter import PhotoFilter
from plan_runner import PlanRunner
from settings import Settings
from trash import Trash
from trash_purge import TrashPurge
from verification import Verifier

_PREPARED_PHOTOS: Final = 500
_LISTED_OPERATIONS: Final = 50
_WAIT_FOR_EDITS_S: Final = 60.0


class LibraryOperations(LibraryParts):
    """A library's operations, one at a time and edits beside it."""

    def __init__(self, settings: Settings, markers: Sequence[Path]) -> None:
        super().__init__(settings, markers)
        with self.database.transaction() as connection:
            operation_state.pause_interrupted(connection)
            operation_state.cleanup_operations(connection)
        self.runner = OperationRunner(self.database)
        self.plans = PlanRunner(
            lambda sources, upload, tell: self.make_import().plan(sources, upload, tell=tell)
        )
        edits = self._edits = self.make_edits()
        self.favorites = Favorites(self.database, edits)
        self.dates = DateEdits(self.database, edits, settings.time_zone)
        self.edit_undo = EditUndo(self.database, edits, settings.time_zone)
        self.conflicts = edits.finish_interrupted()
        moves = self.make_trash_moves()
        self.trash = Trash(self.database, edits, moves)
        self.trash.finish_interrupted()
        self.purge = TrashPurge(self.database, edits, moves)
        self.duplicates = Duplicates(
            self.database, self.pool, self.favorites, self.dates, self.edit_undo, self.trash
        )

    def start_update_index(self, *, accept_missing: bool = False, quick: bool = False) -> str:
        """Start Update Index; the id of its operation. Raises `BusyError` where one runs.

        quick: as `Indexer.update` has it.
        """
        parameters = {"accept_missing": accept_missing} | ({"quick": True} if quick else {})
        return self.start_operation(OperationType.UPDATE_INDEX, parameters)

    def start_operation(
        self, operation_type: OperationType, parameters: Mapping[str, Any] | None = None
    ) -> str:
        """Start a long operation; its id.

        Raises `BusyError` where one runs, and `InvalidRequestError` for parameters that this
        operation does not take.
        """
        chosen = dict(parameters or {})
        check_parameters(operation_type, chosen)
        return self.runner.start(operation_type, self._make_deed(operation_type, chosen), chosen)

    def _count_pictures(self, deed: Deed) -> Deed:
        """The same deed; small pictures that are drawn meanwhile, for whomever, are its figure."""

        def counting(context: OperationContext) -> dict[str, Any]:
            before = self.thumbnails.figures
            try:
                return deed(context)
            finally:
                now = self.thumbnails.figures
                if now.drawn > before.drawn:
                    work_meter.note(
                        "decode",
                        now.drawn_s - before.drawn_s,
                        files=now.drawn - before.drawn,
                        bytes=now.drawn_bytes - before.drawn_bytes,
                    )

        return counting

    def check_sources(self, sources: Sequence[str], upload: str | None = None) -> list[str]:
        """Sources that a page or a program names, as they are without links.

        Raises `SourceNotAllowedError` for one outside `import_roots`, `NotFoundError` for an
        upload there is not, `InvalidRequestError` where neither is named.
        """
        return self.make_import().check(sources, upload, self.settings.import_roots)

    def list_import_roots(self) -> list[tuple[str, bool]]:
        """The folders that a page may import from, and whether each is there now."""
        return [(str(root), root.is_dir()) for root in self.settings.import_roots]

    def plan_import(self, sources: Sequence[str], upload: str | None = None) -> ImportPlan:
        """What an import would do. Raises `BusyError` while the rows it looks at are written."""
        self.runner.refuse_if_busy(OperationType.IMPORT_PHOTOS)
        return self.make_import().plan(sources, upload)

    def start_plan(self, sources: Sequence[str], upload: str | None = None) -> str:
        """The same in the background; the id by which `plans` finds it. Raises as that."""
        self.runner.refuse_if_busy(OperationType.IMPORT_PHOTOS)
        return self.plans.start(sources, upload)

    def resume_operation(self, operation_id: str) -> str:
        """Go on with an interrupted operation, under its id.

        Raises `NotFoundError`, `BusyError`, and `InvalidRequestError` for what has ended.
        """
        operation = self.get_operation(operation_id)
        deed = self._make_deed(known_type(operation), operation.parameters)
        return self.runner.resume(operation, deed)

    def start_over(self, operation_id: str) -> str:
        """Discard an interrupted operation, and start the same from the beginning; the new id.

        Raises as `resume_operation`; then the interrupted one is kept.
        """
        operation = self.get_operation(operation_id)
        operation_type = known_type(operation)
        self.runner.refuse_if_busy(operation_type)
        parameters = {
            name: value
            for name, value in operation.parameters.items()
            if name in PARAMETERS[operation_type]
        }
        self.discard_operation(operation_id)
        return self.start_operation(operation_type, parameters)

    def discard_operation(self, operation_id: str) -> None:
        """Give up an interrupted operation. What it has done so far stays, and is no harm."""
        operation = self.get_operation(operation_id)
        if operation.operation_id not in {one.operation_id for one in self.list_interrupted()}:
            status = operation.status.value
            raise InvalidRequestError(f"Operation {operation_id} is {status}: not to be discarded.")
        self.cancel_operation(operation_id)

    def cancel_operation(self, operation_id: str) -> None:
        """Ask what runs to stop for good, and discard what is interrupted; see the runner."""
        operation = self.get_operation(operation_id)
        self.runner.cancel(operation_id)
        # What runs now may be a rebuild that builds on what the interrupted one left.
        idle = self.runner.current() is None
        if operation.operation_type == OperationType.REBUILD_DATABASE and idle:
            self.make_rebuilder().discard_work()

    def list_interrupted(self) -> list[Operation]:
        """Operations that can be resumed, the last one started first; those of an older app not."""
        known = {one.value for one in PARAMETERS}
        return [one for one in self.runner.list_interrupted() if one.operation_type in known]

    def get_operation(self, operation_id: str) -> Operation:
        """The row of an operation. Raises `NotFoundError`."""
        with self.database.reading() as connection:
            return operation_state.get_operation(connection, operation_id)

    def _make_deed(self, operation_type: OperationType, parameters: Mapping[str, Any]) -> Deed:
        accept_missing = bool(parameters.get("accept_missing", False))

        def update_index(context: OperationContext) -> dict[str, Any]:
            quick = bool(parameters.get("quick", False))
            return self._update_index(context, accept_missing=accept_missing, quick=quick)

        def rebuild(context: OperationContext) -> dict[str, Any]:
            self._edits.finish_interrupted()
            rebuilder = self.make_rebuilder()
            try:
                report = rebuilder.rebuild(context, accept_missing=accept_missing)
            except OperationStopped as stopped:
                if stopped.status == OperationStatus.CANCELLED:
                    rebuilder.discard_work()
                raise
            self._supersede(OperationType.UPDATE_INDEX, OperationType.REBUILD_DATABASE)
            rotate_now(self.settings.data_dir / BACKUPS_DIR)
            return report.as_dict()

        def verify(context: OperationContext) -> dict[str, Any]:
            verifier = Verifier(self.settings.library, self.database, self.pool, self.markers)
            report = verifier.verify(context, budget_s=parameters.get("budget_s"))
            if report.complete:
                self._supersede(OperationType.VERIFY_LIBRARY)
            return report.as_dict()

        deeds: dict[OperationType, Deed] = {
            OperationType.UPDATE_INDEX: update_index,
            OperationType.REBUILD_DATABASE: rebuild,
            OperationType.VERIFY_LIBRARY: verify,
            OperationType.IMPORT_PHOTOS: self._make_import_deed(parameters),
        }
        return self._count_pictures((deeds | self._list_edits(parameters))[operation_type])

    def _list_edits(self, parameters: Mapping[str, Any]) -> dict[OperationType, Deed]:
        """The deeds that edit or move photos one by one."""
        chosen = parameters.get
        return {
            OperationType.RATE_PHOTOS: lambda context: self.favorites.rate_many(
                context, chosen("photo_ids", []), chosen("rating", 0)
            ),
            OperationType.KEEP_RATINGS: self.favorites.keep_many,
            OperationType.UPDATE_DATE: lambda context: self.dates.update_many(
                context,
                chosen("photo_ids", []),
                DateMode(chosen("mode", DateMode.SAME)),
                chosen("value", ""),
                chosen("step"),
                move_files=bool(chosen("move_files", False)),
            ),
            OperationType.UNDO_EDITS: lambda context: self.duplicates.undo_merge(
                context, chosen("operation_id", "")
            ),
            OperationType.TRASH_PHOTOS: lambda context: self.trash.trash_many(
                context,
                chosen("photo_ids", []),
                with_companions=bool(chosen("with_companions", False)),
            ),
            OperationType.RESTORE_PHOTOS: lambda context: self.trash.restore_many(
                context, chosen("photo_ids", ()), chosen("entry_ids", ())
            ),
            OperationType.PURGE_TRASH: lambda context: self.purge.purge_many(
                context, chosen("entry_ids", ()), chosen("until")
            ),
            OperationType.MERGE_DUPLICATES: lambda context: self.duplicates.merge_many(
                context,
                chosen("groups", ()),
                suggested=bool(chosen("suggested", False)),
                same_bytes=bool(chosen("same_bytes", False)),
            ),
        }

    def _update_index(
        self, context: OperationContext, *, accept_missing: bool, quick: bool
    ) -> dict[str, Any]:
        self._edits.finish_interrupted()
        report = self.make_indexer().update(context, accept_missing=accept_missing, quick=quick)
        if not quick:
            self._supersede(OperationType.UPDATE_INDEX)
        if not quick or report.added or report.changed:
            self._prepare_newest()
        return report.as_dict()

    def _make_import_deed(self, parameters: Mapping[str, Any]) -> Deed:
        def import_photos(context: OperationContext) -> dict[str, Any]:
            sources, upload = parameters.get("sources", []), parameters.get("upload")
            self._edits.finish_interrupted()
            report = self.make_import().run(context, sources, upload)
            self._supersede(OperationType.UPDATE_INDEX)
            self._supersede(OperationType.IMPORT_PHOTOS, parameters=parameters)
            self._prepare_newest()
            return report

        return import_photos

    def _supersede(
        self, *operation_types: OperationType, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """What was interrupted before is done by what was completed now."""
        with self.database.transaction() as connection:
            for operation_type in operation_types:
                operation_state.supersede(connection, operation_type, parameters)

    def list_operations(self, limit: int = _LISTED_OPERATIONS) -> list[Progress]:
        """The newest operations, the latest first."""
        with self.database.reading() as connection:
            operations = operation_state.list_operations(connection, limit)
        return [self.runner.progress(operation.operation_id) for operation in operations]

    def list_rows(self) -> list[Operation]:
        """The rows of the newest operations, the latest first."""
        with self.database.reading() as connection:
            return operation_state.list_operations(connection, _LISTED_OPERATIONS)

    def find_last_index(self) -> str | None:
        """When an index was last completed, ISO 8601 in UTC."""
        with self.database.reading() as connection:
            return operation_state.find_last_completed(connection, OperationType.UPDATE_INDEX)

    def _prepare_newest(self) -> None:
        """Draw what the page shows first before somebody opens it."""
        with self.database.reading() as connection:
            page = photo_listing.list_photos(
                connection, cursor=None, limit=_PREPARED_PHOTOS, photo_filter=PhotoFilter()
            )
        self.prepare_thumbnails(page.photos)
