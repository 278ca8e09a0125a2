"""Collects what the page can say, and brings the catalogs in `texts/` up to date.

    .venv/bin/python packaging/collect_texts.py

New words get an empty translation, which a test refuses; words that are gone go. Three catalogs:
`pages` from the templates and `web/` (`_`, `gettext`, `ngettext`, `gettext_noop`), `scripts` from
`static/js`, and `sentences`: what the rooms below and `web/` say in plain English, with `{0}`,
`{1}` for what they fill in.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.extract import extract_from_file

HOME: Final = Path(__file__).parent.parent
KEYWORDS: Final = {
    **dict.fromkeys(("_", "gettext", "gettext_html", "gettext_noop")),
    "ngettext": (1, 2),
}
NOT_OF_THE_PAGE: Final = re.compile(
    r"cli(_\w+)?|bootstrap\w*|doctor\w*|migrate_db|terminal|version|sample_\w+"
    r"|api_\w+|\w+_models|metrics|photo_filter|photo_listing|operation_parameters"
)
"""Rooms that speak to a terminal, a program or the database."""
_TO_OTHERS: Final = re.compile(r"(log|logger|logging)\.\w+|promise|Answer")
_SAYS: Final = re.compile(r"(?<!Value)(?<!Assertion)(Error|Problem|Trouble)$")
_SQL: Final = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|\{0\} WHERE) ")
_SENTENCE: Final = re.compile(r"[A-Z“\"'{].* .*[.!?…]", re.DOTALL)

Messages = dict[str, str | None]
"""Each message, with its form for many where it has one."""


def collect_pages(home: Path = HOME) -> Messages:
    """What templates and `web/` mark for translation."""
    found: Messages = {}
    for path in sorted(home.glob("templates/**/*.html")):
        found |= _extract("jinja2.ext:babel_extract", path, {"trimmed": "true"})
    for path in sorted(home.glob("web/*.py")):
        found |= _extract("python", path)
    return found


def collect_scripts(home: Path = HOME) -> Messages:
    """What the page's script marks for translation."""
    found: Messages = {}
    for path in sorted(home.glob("static/js/*.js")):
        found |= _extract("javascript", path, {"parse_template_string": "true"})
    return found


def _extract(method: str, path: Path, options: dict[str, str] | None = None) -> Messages:
    messages = extract_from_file(method, path, keywords=KEYWORDS, options=options or {})
    return {
        (message[0] if isinstance(message, tuple) else message): (
            message[1] if isinstance(message, tuple) else None
        )
        for _line, message, _comments, _context in messages
    }


def collect_sentences(home: Path = HOME) -> Messages:
    """What the rooms say of errors and files, in the order of the rooms."""
    found: Messages = {}
    for path in sorted([*home.glob("*.py"), *home.glob("web/*.py")]):
        if not NOT_OF_THE_PAGE.fullmatch(path.stem):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found |= dict.fromkeys(_list_sentences(tree))
    return found


def _list_sentences(tree: ast.Module) -> Iterator[str]:
    skipped = {id(node) for node in _list_skipped(tree)}
    said = {id(node) for node in _list_said(tree)}
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if id(node) in skipped:
            continue
        text = read_text(node)
        if text is None:
            stack += reversed(list(ast.iter_child_nodes(node)))
            continue
        wanted = id(node) in said or _SENTENCE.fullmatch(text)
        if wanted and " " in text and not _SQL.match(text):
            yield text
        # What is filled in may say something itself.
        stack += reversed([part for part in ast.walk(node) if isinstance(part, ast.FormattedValue)])


def _list_skipped(tree: ast.Module) -> Iterator[ast.AST]:
    """Docstrings, what the log says, and what is marked for translation already."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for one in body:
                if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                    yield one
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if _TO_OTHERS.fullmatch(name) or name in KEYWORDS:
                yield node


def _list_said(tree: ast.Module) -> Iterator[ast.AST]:
    """What errors and problems are made with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _SAYS.search(ast.unparse(node.func)):
            yield from node.args
            yield from (keyword.value for keyword in node.keywords)


def read_text(node: ast.AST) -> str | None:
    """The text of a string, an f-string or a sum of both; `{0}` stands for what is filled in."""
    parts = _list_parts(node)
    if parts is None:
        return None
    text = ""
    places = 0
    for part in parts:
        if part is None:
            text += f"{{{places}}}"
            places += 1
        else:
            text += part
    return text


def _list_parts(node: ast.AST) -> list[str | None] | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [str(one.value) if isinstance(one, ast.Constant) else None for one in node.values]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _list_parts(node.left), _list_parts(node.right)
        return None if left is None or right is None else left + right
    return None


COLLECTORS: Final = {
    "pages": collect_pages,
    "scripts": collect_scripts,
    "sentences": collect_sentences,
}


def update(path: Path, messages: Messages) -> int:
    """Bring one catalog up to date; gives how many of its messages have no translation."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    catalog = {
        message: known.get(message) or (["", ""] if many else "")
        for message, many in messages.items()
    }
    path.write_text(json.dumps(catalog, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return sum(1 for translation in catalog.values() if not any(translation))


def main() -> int:
    untranslated = 0
    for folder in sorted((HOME / "texts").iterdir()):
        for name, collect in COLLECTORS.items():
            missing = update(folder / f"{name}.json", collect())
            sys.stdout.write(f"{folder.name}/{name}.json: {missing} without a translation\n")
            untranslated += missing
    return min(untranslated, 1)


if __name__ == "__main__":
    sys.exit(main())
