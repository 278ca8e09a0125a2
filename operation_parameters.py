"""What the long operations take, and which of them can be started and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from errors import InvalidRequestError
from operation_state import Operation, OperationType

MOST_BUDGET_S: Final = 10**7
_HIGHEST_RATING: Final = 5
MOST_PHOTOS: Final = 10_000
"""That one operation may be asked to edit."""
DATE_MODES: Final = ("same", "shift", "sequence", "suggested")

PARAMETERS: Final[Mapping[OperationType, Mapping[str, type | tuple[type, ...]]]] = {
    OperationType.UPDATE_INDEX: {"accept_missing": bool, "quick": bool},
    OperationType.REBUILD_DATABASE: {"accept_missing": bool},
    OperationType.VERIFY_LIBRARY: {"budget_s": (int, float)},
    OperationType.IMPORT_PHOTOS: {"sources": list, "upload": str},
    OperationType.RATE_PHOTOS: {"photo_ids": list, "rating": int},
    OperationType.KEEP_RATINGS: {},
    OperationType.UNDO_EDITS: {"operation_id": str},
    OperationType.TRASH_PHOTOS: {"photo_ids": list, "with_companions": bool},
    OperationType.RESTORE_PHOTOS: {"photo_ids": list, "entry_ids": list},
    OperationType.PURGE_TRASH: {"entry_ids": list, "until": str},
    OperationType.MERGE_DUPLICATES: {"groups": list, "suggested": bool, "same_bytes": bool},
    OperationType.UPDATE_DATE: {"photo_ids": list, "mode": str, "value": str, "step": str},
}
"""What the operations that there are take."""

_NEEDED: Final[Mapping[OperationType, frozenset[str]]] = {
    OperationType.RATE_PHOTOS: frozenset({"photo_ids", "rating"}),
    OperationType.UNDO_EDITS: frozenset({"operation_id"}),
    OperationType.TRASH_PHOTOS: frozenset({"photo_ids"}),
    OperationType.UPDATE_DATE: frozenset({"photo_ids", "mode"}),
}


def check_parameters(operation_type: OperationType, parameters: Mapping[str, Any]) -> None:
    """Raise `InvalidRequestError` for what this operation does not take."""
    known = PARAMETERS.get(operation_type)
    if known is None:
        raise InvalidRequestError(f"type must be one of {', '.join(sorted(PARAMETERS))}.")
    needed = _NEEDED.get(operation_type, frozenset()) - parameters.keys()
    if needed:
        raise InvalidRequestError(f"{operation_type.value} needs {', '.join(sorted(needed))}.")
    for name, value in parameters.items():
        kind = known.get(name)
        wrong_bool = isinstance(value, bool) and kind is not bool
        if kind is None or not isinstance(value, kind) or wrong_bool:
            names = ", ".join(known)
            raise InvalidRequestError(
                f"{operation_type.value} takes {names}, not {name}={value!r}."
            )
        if name == "budget_s" and not 0 < float(str(value)) <= MOST_BUDGET_S:
            raise InvalidRequestError(f"budget_s is above 0 and at most {MOST_BUDGET_S}.")
    _check_values(parameters)


def _check_values(parameters: Mapping[str, Any]) -> None:
    if not all(isinstance(path, str) for path in parameters.get("sources", ())):
        raise InvalidRequestError("sources are paths.")
    rating = parameters.get("rating", 0)
    for name in ("photo_ids", "entry_ids"):
        ids = parameters.get(name, [1])
        if not 1 <= len(ids) <= MOST_PHOTOS or not all(type(one) is int for one in ids):
            raise InvalidRequestError(f"{name} are 1 to {MOST_PHOTOS:,} whole numbers.")
    for group in parameters.get("groups", ()):
        if not _is_group(group):
            raise InvalidRequestError("groups are of the form {keep: id, trash: [ids]}.")
    if not 0 <= rating <= _HIGHEST_RATING:
        raise InvalidRequestError(f"rating is 0 to {_HIGHEST_RATING}.")
    if parameters.get("mode", "same") not in DATE_MODES:
        raise InvalidRequestError(f"mode is one of {', '.join(DATE_MODES)}.")


def _is_group(group: object) -> bool:
    """Whether it says which of equal photos is kept and which of them go."""
    if not isinstance(group, dict) or group.keys() != {"keep", "trash"}:
        return False
    ids = group["trash"]
    whole = isinstance(ids, list) and all(type(one) is int for one in [group["keep"], *ids])
    return whole and 1 <= len(ids) <= MOST_PHOTOS and group["keep"] not in ids


def known_type(operation: Operation) -> OperationType:
    """Its type. Raises `InvalidRequestError` for one of an older app, which nobody can resume."""
    for known in PARAMETERS:
        if operation.operation_type == known.value:
            return known
    raise InvalidRequestError(
        f"Operation {operation.operation_id} is of an older program and cannot be resumed."
    )
