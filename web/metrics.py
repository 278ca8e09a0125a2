"""`/metrics`: figures of the library and of its requests, in the text form of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from library_figures import LibraryFigures
from operation_figures import list_phases, list_work
from web.api_contract import Answer, promise

EXTENSION: Final = "lightkeep_metrics"
NO_ROUTE: Final = "(none)"
"""The route of addresses there are none of: their own words would be endless labels."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "(other)"
SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)

blueprint = Blueprint("metrics", __name__)


def register(app: Flask, measure: Callable[[], LibraryFigures]) -> None:
    """Count the requests of `app`, in a registry of its own; `measure` is asked at each look."""
    registry = CollectorRegistry()
    registry.register(_LibraryCollector(measure))
    requests = Counter(
        "lightkeep_http_requests",
        "Requests, by route, method and status.",
        ["route", "method", "status"],
        registry=registry,
    )
    seconds = Histogram(
        "lightkeep_http_request_seconds",
        "Seconds until the answer began, by route.",
        ["route"],
        buckets=SECONDS,
        registry=registry,
    )

    def begin() -> None:
        g.request_began = time.perf_counter()

    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else NO_ROUTE
        # A client may send any word as its method.
        method = request.method if request.method in METHODS else OTHER_METHOD
        requests.labels(route, method, str(response.status_code)).inc()
        seconds.labels(route).observe(time.perf_counter() - g.request_began)
        return response

    app.extensions[EXTENSION] = registry
    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request(count)
    app.register_blueprint(blueprint)


@blueprint.get("/metrics")
@promise("Health", {200: Answer("The figures.", None, ("text/plain",))})
def show_metrics() -> Response:
    """Figures of the library and its server, in the text form of Prometheus."""
    registry: CollectorRegistry = current_app.extensions[EXTENSION]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _LibraryCollector(Collector):
    """What the library says at the moment somebody looks."""

    def __init__(self, measure: Callable[[], LibraryFigures]) -> None:
        self._measure = measure

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry would otherwise look before anybody asked."""
        return ()

    def collect(self) -> Iterator[Metric]:
        figures = self._measure()
        yield from _list_photos(figures)
        yield from _list_operations(figures)
        yield from _list_last_runs(figures)
        yield from _list_caches(figures)
        yield from _list_workers(figures)
        yield from _list_pictures(figures)


def _list_photos(figures: LibraryFigures) -> Iterator[Metric]:
    counts = figures.photos
    for name, words, value in (
        ("photos", "Cells of the grid.", counts.photos),
        ("photos_undated", "Of these without a date.", counts.undated),
        ("photos_favorite", "Of these with a rating of 5.", counts.favorites),
        ("photos_missing", "Photos whose file is not there.", counts.missing),
        ("photos_unkept", "Ratings that only the database knows.", counts.unkept),
    ):
        yield GaugeMetricFamily(f"lightkeep_{name}", words, value)


def _list_operations(figures: LibraryFigures) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "lightkeep_operations",
        "Long operations of the last 90 days, by type and status.",
        labels=["type", "status"],
    )
    for labels, count in figures.operations.items():
        family.add_metric(labels, count)
    yield family


def _list_last_runs(figures: LibraryFigures) -> Iterator[Metric]:
    """Of the newest operation of each type: its phases, and the work inside them."""
    for key, words in (
        ("seconds", "Seconds of a phase, or of all workers at a kind of work."),
        ("files", "Files that it did."),
        ("bytes", "Bytes that it read, or wrote for small pictures."),
        ("files_per_s", "Files a second."),
        ("cache_hits", "Files whose hashes the cache knew."),
        ("calls", "Commands of ExifTool, or transactions."),
    ):
        family = GaugeMetricFamily(
            f"lightkeep_last_run_{key.replace('per_s', 'per_second')}",
            f"Of the newest operation of each type. {words}",
            labels=["type", "phase"],
        )
        for operation_type, metrics in figures.list_last_metrics():
            for phase, said in (list_phases(metrics) | list_work(metrics)).items():
                if key in said:
                    family.add_metric([operation_type, phase], said[key] or 0)
        yield family


def _list_caches(figures: LibraryFigures) -> Iterator[Metric]:
    cache = figures.cache
    family = CounterMetricFamily(
        "lightkeep_hash_cache_hits",
        "Files that were not read, by what knew them.",
        labels=["level"],
    )
    for level, count in (
        ("memory", cache.memory_hits),
        ("database", cache.database_hits),
        ("row", cache.row_hits),
    ):
        family.add_metric([level], count)
    yield family
    yield CounterMetricFamily(
        "lightkeep_hash_cache_misses", "Files that had to be read.", cache.misses
    )
    yield CounterMetricFamily(
        "lightkeep_hash_cache_bytes_not_read", "Sizes of known files.", cache.bytes_not_read
    )


def _list_workers(figures: LibraryFigures) -> Iterator[Metric]:
    pool = figures.pool
    workers = GaugeMetricFamily(
        "lightkeep_workers", "Processes that read photos, by state.", labels=["state"]
    )
    for state, count in (("most", pool.most), ("started", pool.started), ("busy", pool.busy)):
        workers.add_metric([state], count)
    yield workers
    yield GaugeMetricFamily("lightkeep_worker_queue", "Jobs that wait for one.", pool.queued)
    yield CounterMetricFamily(
        "lightkeep_exiftool_calls", "Commands that ExifTool was given.", figures.exiftool_calls
    )
    yield CounterMetricFamily(
        "lightkeep_exiftool_restarts",
        "How often it hung or died and was started anew.",
        figures.exiftool_restarts,
    )


def _list_pictures(figures: LibraryFigures) -> Iterator[Metric]:
    pictures = figures.thumbnails
    for name, words, value in (
        ("drawn", "Photos whose small pictures were drawn.", pictures.drawn),
        ("served", "Small pictures that were asked for and given.", pictures.served),
        ("failed", "Photos of which none could be drawn.", pictures.failed),
        ("drawing_seconds", "Seconds of workers at drawing.", pictures.drawn_s),
    ):
        yield CounterMetricFamily(f"lightkeep_thumbnails_{name}", words, value)
