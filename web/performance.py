"""How fast it is: the last operations by their phases, and how one of them went."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from web.charts import choose_chart, make_bar
from web.common import get_library

_SHOWN: Final = 12

blueprint = Blueprint("performance", __name__)


@blueprint.get("/performance")
def show_performance() -> ResponseReturnValue:
    """The last operations as bars of their phases; the rate of the one that runs or ran last."""
    library = get_library()
    operations = library.list_rows()
    bars = [bar for bar in map(make_bar, operations) if bar][:_SHOWN]
    return render_template(
        "performance.html",
        library=library,
        bars=bars,
        phases=list(dict.fromkeys((part.phase, part.color) for bar in bars for part in bar.parts)),
        chart=choose_chart(operations),
        figures=library.measure(),
    )
