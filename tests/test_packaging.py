"""Dockerfile, compose.yaml and the service: they name what there is, and agree with each other."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import make_jpeg
from test_house import FILES
from test_log_output import free_port, wait_until_served

import cli
from settings import DEFAULT_PORT, load_settings

REPOSITORY = Path(__file__).resolve().parent.parent
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE = (REPOSITORY / "compose.yaml").read_text()
ENV_EXAMPLE = (REPOSITORY / ".env.example").read_text()
SERVICE = (REPOSITORY / "packaging" / "lightkeep.service").read_text()
SETTINGS_PAGE = (REPOSITORY / "docs" / "settings.md").read_text()
INSTALL_PAGE = (REPOSITORY / "docs" / "install.md").read_text()


def list_steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    lines = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    joined = lines.replace("\\\n", " ")
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined.splitlines() if line]


def get_step(name: str) -> str:
    [arguments] = [arguments for step, arguments in list_steps() if step == name]
    return arguments


def list_environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", get_step("ENV")))


def is_ignored(path: str) -> bool:
    """Whether .dockerignore leaves a path of the repository out of the image."""
    patterns = [
        line
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    parts = Path(path).parts
    return any(
        (pattern.startswith("**/") and pattern[3:] in parts) or fnmatch.fnmatch(parts[0], pattern)
        for pattern in patterns
    )


# -- the image -----------------------------------------------------------------------------------


def test_the_image_holds_everything_that_runs() -> None:
    rooms = [str(path.relative_to(REPOSITORY)) for paths in FILES.values() for path in paths]
    pages = [
        str(path.relative_to(REPOSITORY))
        for folder in ("templates", "static")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file()
    ]
    launcher = ["lightkeep", "bootstrap.py", "bootstrap_exiftool.py", "requirements.txt"]
    assert [path for path in (*rooms, *pages, *launcher) if is_ignored(path)] == []


@pytest.mark.parametrize("path", [".git/config", ".venv/bin/python", ".env", "tests/rows.py"])
def test_the_image_holds_no_more_than_that(path: str) -> None:
    assert is_ignored(path)


def test_what_is_copied_for_set_up_is_all_that_set_up_reads() -> None:
    copied = next(arguments.split()[:-1] for step, arguments in list_steps() if step == "COPY")
    assert all((REPOSITORY / name).is_file() for name in copied)
    source = (REPOSITORY / "bootstrap.py").read_text()
    own = set(re.findall(r"^import (bootstrap\w*)", source, re.MULTILINE))
    assert {"lightkeep", "bootstrap.py", "requirements.txt", *(f"{name}.py" for name in own)} == {
        *copied
    }


def test_the_image_sets_itself_up_by_the_launcher() -> None:
    commands = [one for step, text in list_steps() if step == "RUN" for one in text.split("&&")]
    assert "./lightkeep setup" in [command.strip() for command in commands]
    assert json.loads(get_step("ENTRYPOINT")) == ["./lightkeep"]
    assert os.access(REPOSITORY / "lightkeep", os.X_OK)


def test_the_image_runs_as_nobody_in_particular_and_serves_what_is_mounted() -> None:
    user, group = map(int, get_step("USER").split(":"))
    assert user > 0
    assert group > 0
    environment = list_environment()
    volumes = json.loads(get_step("VOLUME"))
    assert volumes == [environment["LIGHTKEEP_LIBRARY"], environment["LIGHTKEEP_DATA_DIR"]]
    assert environment["XDG_STATE_HOME"].startswith(f"{environment['LIGHTKEEP_DATA_DIR']}/")
    assert int(get_step("EXPOSE")) == DEFAULT_PORT


def test_every_variable_of_image_and_compose_is_one_that_is_read() -> None:
    known = set(re.findall(r"`(LIGHTKEEP_[A-Z_]+|XDG_\w+)`", SETTINGS_PAGE))
    python = {"PYTHONDONTWRITEBYTECODE"}
    assert list_environment().keys() - python <= known
    own = set(re.findall(r"^      (\w+):", COMPOSE.split("environment:")[1], re.MULTILINE))
    assert own - {"TZ"} <= known


def test_the_verbs_of_image_compose_and_service_parse() -> None:
    words = [
        json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[0]),
        json.loads(re.findall(r"command: (.+)$", COMPOSE, re.MULTILINE)[0]),
        re.findall(r"^ExecStart=\S+ (.+)$", SERVICE, re.MULTILINE)[0].split(),
    ]
    for verb, *options in words:
        assert verb == "serve"
        context = cli.serve.make_context("serve", options, parent=None)
        assert context.params["host"] == "0.0.0.0"
        assert context.params["port"] == DEFAULT_PORT


def test_the_health_check_tells_a_server_from_none(tmp_path: Path, home: Path) -> None:
    make_jpeg(tmp_path / "photos/a.jpg", 1)
    port = free_port()
    check = json.loads(re.findall(r"^HEALTHCHECK .*CMD (\[.+\])$", _joined(), re.MULTILINE)[0])
    assert check[0] == ".venv/bin/python"
    assert str(DEFAULT_PORT) in check[2]
    command = [sys.executable, "-c", check[2].replace(str(DEFAULT_PORT), str(port))]
    silent = {"capture_output": True, "check": False, "timeout": 60}
    assert subprocess.run(command, **silent).returncode != 0  # type: ignore[call-overload]
    server = subprocess.Popen(
        [sys.executable, cli.__file__, "serve", str(tmp_path / "photos"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_served(port)
        done = subprocess.run(command, **silent)  # type: ignore[call-overload]
        assert done.returncode == 0
    finally:
        server.terminate()
        server.wait(timeout=60)


def _joined() -> str:
    return re.sub(r"\\\n\s*", " ", DOCKERFILE)


# -- compose -------------------------------------------------------------------------------------


def test_compose_mounts_what_the_image_serves_and_publishes_its_port() -> None:
    mounted = re.findall(r'^      - "\$\{.+\}:(/\w+)"$', COMPOSE, re.MULTILINE)
    assert mounted == json.loads(get_step("VOLUME"))
    assert f'- "{DEFAULT_PORT}:{DEFAULT_PORT}"' in COMPOSE


def test_the_example_sets_every_variable_of_compose_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert used == set(re.findall(r"^(\w+)=", ENV_EXAMPLE, re.MULTILINE))


def test_the_hosts_of_the_example_are_read_as_names() -> None:
    value = re.findall(r"^LIGHTKEEP_ALLOWED_HOSTS=(.+)$", ENV_EXAMPLE, re.MULTILINE)[0]
    environment = {"LIGHTKEEP_ALLOWED_HOSTS": f" {value} ,"}
    chosen = load_settings(Path("/photos"), environment=environment)
    assert chosen.allowed_hosts == ("nas", "nas.local", "192.168.1.10")


def test_hosts_of_the_environment_join_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / ".library").mkdir()
    (tmp_path / ".library" / "settings.toml").write_text('allowed_hosts = ["photos.example"]\n')
    chosen = load_settings(tmp_path, environment={"LIGHTKEEP_ALLOWED_HOSTS": "nas"})
    assert chosen.allowed_hosts == ("photos.example", "nas")


# -- the service ---------------------------------------------------------------------------------


def test_the_service_may_write_where_it_has_to_and_nowhere_else() -> None:
    words = re.findall(r"^ExecStart=\S+ serve (\S+) --data-dir (\S+)", SERVICE, re.MULTILINE)
    [(library, data)] = words
    assert "ProtectSystem=strict" in SERVICE
    assert f"ReadWritePaths={library}\n" in SERVICE
    assert f"RequiresMountsFor={library}\n" in SERVICE
    state = re.findall(r"^StateDirectory=(\w+)$", SERVICE, re.MULTILINE)[0]
    assert data.startswith(f"/var/lib/{state}/")
    assert f"XDG_STATE_HOME=/var/lib/{state}/" in SERVICE


def test_the_service_passes_the_check_of_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    unit = tmp_path / "lightkeep.service"
    # The program is not installed here, nor is there such a user.
    here = SERVICE.replace("/opt/lightkeep/lightkeep", str(REPOSITORY / "lightkeep"))
    unit.write_text(re.sub(r"^(User|Group)=.*$", r"\1=root", here, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


# -- the words -----------------------------------------------------------------------------------


def test_the_examples_of_proxies_lead_to_the_port_that_is_served() -> None:
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", INSTALL_PAGE)) == {str(DEFAULT_PORT)}


def test_the_files_that_the_page_names_exist() -> None:
    files = r"`(\.env\.example|\w+\.yaml|Dockerfile|packaging/[\w.]+)`"
    named = set(re.findall(files, INSTALL_PAGE))
    assert {"Dockerfile", "compose.yaml"} < named
    assert all((REPOSITORY / name).is_file() for name in named)
