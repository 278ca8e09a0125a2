# Lightkeep in a container; docs/install.md says how to use it.
#
# The base image exists for amd64, arm64 and more, and so do the wheels of every package in
# requirements.txt; FFmpeg comes with one of them (av).
FROM python:3.13-slim-trixie

RUN apt-get update \
    && apt-get install -y --no-install-recommends libimage-exiftool-perl \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/lightkeep

# First what set-up reads, so that a change elsewhere does not install the packages anew.
COPY lightkeep bootstrap.py bootstrap_exiftool.py requirements.txt ./
RUN ./lightkeep setup && rm -rf /root/.cache

COPY . .
# Nobody may write here later: compiled now, each start and each worker saves a quarter of a second.
RUN .venv/bin/python -m compileall -q *.py web && mkdir /photos /data && chown 1000:1000 /photos /data

ENV LIGHTKEEP_LIBRARY=/photos \
    LIGHTKEEP_DATA_DIR=/data \
    XDG_STATE_HOME=/data/state \
    PYTHONDONTWRITEBYTECODE=1

USER 1000:1000
VOLUME ["/photos", "/data"]
EXPOSE 5001
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=1m --timeout=10s --start-period=2m \
    CMD [".venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5001/healthz', timeout=8)"]

ENTRYPOINT ["./lightkeep"]
CMD ["serve", "--host", "0.0.0.0"]
