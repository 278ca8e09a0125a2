"""The verbs for who may come in: `./lightkeep password`, `./lightkeep token`."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path

import click

from accounts import LONGEST_PASSWORD, Accounts
from errors import InvalidRequestError
from library_location import check_folder, make_data_dir
from library_marker import LibraryMemory, refuse_unmounted
from settings import load_settings
from terminal import quote

_library_argument = click.argument("library", type=click.Path(path_type=Path))
_data_dir_option = click.option(
    "--data-dir", "own_data_dir", type=click.Path(path_type=Path), hidden=True
)


def register(group: click.Group) -> None:
    """Add the verbs to the others."""
    group.add_command(password)
    group.add_command(token)


def _open_accounts(ctx: click.Context, library: Path, own_data_dir: Path | None) -> Accounts:
    """The accounts of a library, in use or not, indexed or not. Raises `LibraryError`."""
    settings = load_settings(library, data_dir=own_data_dir or ctx.obj)
    check_folder(settings.library)
    # A password beside an empty mount point would be lost behind the mounted library.
    refuse_unmounted(settings, LibraryMemory())
    make_data_dir(settings.data_dir, settings.library)
    return Accounts(settings.data_dir)


@click.command()
@_library_argument
@_data_dir_option
@click.pass_context
def password(ctx: click.Context, library: Path, own_data_dir: Path | None) -> None:
    """Set the password of LIBRARY: asks twice, or reads one line of standard input."""
    accounts = _open_accounts(ctx, library, own_data_dir)
    accounts.set_password(_read_password())
    click.echo(f"The password of {quote(str(library))} is set. Who was signed in is not any more.")


def _read_password() -> str:
    try:
        if not sys.stdin.isatty():
            return _decode_line(sys.stdin.buffer.readline(LONGEST_PASSWORD * 4 + 2))
        chosen = getpass("New password: ")
        again = getpass("The same again: ")
    except EOFError as error:
        raise InvalidRequestError("No password was given. Nothing was changed.") from error
    if chosen != again:
        raise InvalidRequestError("The two were not the same. Nothing was changed.")
    return chosen


def _decode_line(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidRequestError("The password is not UTF-8. Nothing was changed.") from error


@click.command()
@_library_argument
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--revoke", is_flag=True, help="Make the token of this name worthless.")
@_data_dir_option
@click.pass_context
def token(
    ctx: click.Context, library: Path, name: str | None, revoke: bool, own_data_dir: Path | None
) -> None:
    """Make a token for a program that asks LIBRARY, and print it once; without NAME list them."""
    accounts = _open_accounts(ctx, library, own_data_dir)
    if name is None:
        if revoke:
            raise InvalidRequestError("Say which token: ./lightkeep token LIBRARY NAME --revoke")
        for one in accounts.list_tokens():
            click.echo(f"{quote(one.name)}\t{one.created_at}")
    elif revoke:
        accounts.revoke_token(name)
        click.echo(f"The token {quote(name)} is worthless from now on.", err=True)
    else:
        click.echo(accounts.add_token(name))
