"""The routes of favorites as the page knows them, over rows alone: no file is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from flask import Blueprint, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

import catalog
from catalog import FAVORITE_RATING
from errors import FileProblem, LibraryError
from library import Library
from operation_runner import OperationContext
from operation_state import OperationType
from web.common import read_filter

Report = dict[str, object]


class FavoriteRoutes:
    """`blueprint` for the application of `library`; remembers each edit for its undo."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.edits: dict[int, tuple[int, int | None]] = {}
        self.of_operation: dict[str, list[int]] = {}
        self._numbers = itertools.count(1)
        self.blueprint = Blueprint("favorite_routes", __name__)
        rules: dict[str, Callable[..., ResponseReturnValue]] = {
            "/api/photo/<int:photo_id>/favorite": self.rate_photo,
            "/photo/<int:photo_id>/favorite": self.rate_photo_of_form,
            "/api/photos/bulk-favorite": self.rate_photos,
            "/api/edits/<int:edit_id>/undo": self.undo_edit,
            "/api/operations/<operation_id>/undo": self.undo_operation,
        }
        for rule, view in rules.items():
            self.blueprint.add_url_rule(rule, view_func=view, methods=["POST"])
        self.blueprint.add_url_rule("/cells", view_func=self.show_cells)

    def _write(self, photo_id: int, rating: int | None) -> int:
        with self.library.database.transaction() as connection:
            photo = catalog.get_photo(connection, photo_id)
            self.library.photo_file(photo)
            connection.execute(
                "UPDATE photos SET rating = ?, kept_in = ? WHERE id = ?",
                [rating or None, "file" if rating else None, photo_id],
            )
        edit = next(self._numbers)
        self.edits[edit] = (photo_id, photo.rating)
        return edit

    def _answer(self, photo_id: int, edit: int) -> ResponseReturnValue:
        with self.library.database.reading() as connection:
            photo = catalog.get_photo(connection, photo_id)
        answer = jsonify(photo_id=photo_id, rating=photo.rating, favorited=photo.favorited)
        answer.headers["Lightkeep-Edit"] = str(edit)
        return answer

    def _wanted(self, photo_id: int, given: object) -> int | None:
        if given is not None:
            return int(str(given))
        with self.library.database.reading() as connection:
            favorited = catalog.get_photo(connection, photo_id).favorited
        if not favorited:
            return FAVORITE_RATING
        before = [rating for photo, rating in self.edits.values() if photo == photo_id]
        return before[-1] if before and before[-1] != FAVORITE_RATING else None

    def rate_photo(self, photo_id: int) -> ResponseReturnValue:
        body = request.get_json(silent=True) or {}
        return self._answer(
            photo_id, self._write(photo_id, self._wanted(photo_id, body.get("rating")))
        )

    def rate_photo_of_form(self, photo_id: int) -> ResponseReturnValue:
        self._write(photo_id, self._wanted(photo_id, request.form.get("rating")))
        return redirect(request.form["next"], 303)

    def rate_photos(self) -> ResponseReturnValue:
        body = request.get_json()

        def deed(context: OperationContext) -> Report:
            return self._rate_all(context, [(photo, body["rating"]) for photo in body["photo_ids"]])

        operation_id = self.library.runner.start(OperationType.UNDO_EDITS, deed)
        if request.headers.get("Prefer") == "respond-async":
            return jsonify(operation_id=operation_id), 202
        report = self.library.runner.wait(operation_id, timeout=30).report
        return jsonify(report), 200, {"Lightkeep-Operation": operation_id}

    def _rate_all(
        self, context: OperationContext, wanted: Sequence[tuple[int, int | None]]
    ) -> Report:
        errors: list[dict[str, object]] = []
        for done, (photo_id, rating) in enumerate(wanted):
            context.report_progress(phase="edit", done=done, total=len(wanted))
            try:
                edit = self._write(photo_id, rating)
                self.of_operation.setdefault(context.operation_id, []).append(edit)
            except LibraryError as error:
                errors.append({"photo_id": photo_id, "error": error.message})
                context.add_problem(FileProblem(str(photo_id), error.message))
        return {
            "success_count": len(wanted) - len(errors),
            "error_count": len(errors),
            "errors": errors,
        }

    def undo_edit(self, edit_id: int) -> ResponseReturnValue:
        return self._answer(self.edits[edit_id][0], self._write(*self.edits[edit_id]))

    def undo_operation(self, operation_id: str) -> ResponseReturnValue:
        before = [self.edits[edit] for edit in self.of_operation[operation_id]]
        undoing = self.library.runner.start(
            OperationType.UNDO_EDITS, lambda context: self._rate_all(context, before)
        )
        return jsonify(operation_id=undoing), 202

    def show_cells(self) -> ResponseReturnValue:
        ids = [int(photo_id) for photo_id in request.args.getlist("id")]
        with self.library.database.reading() as connection:
            photos = [catalog.get_photo(connection, photo_id) for photo_id in ids]
            companions = catalog.list_companions(connection, ids)
        return render_template(
            "_partials/cells.html",
            photos=photos,
            companions=companions,
            photo_filter=read_filter(),
        )
