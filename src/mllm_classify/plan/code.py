"""Digests of code: what a job runs, without comments, docstrings, layout, and imports for type checkers."""

import ast
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mllm_classify.io.files import digest, sha256, written

PACKAGE = Path(__file__).parents[1]
KEPT = Path(".snakemake/mllm-classify")
"""Folder of what is known of modules, in a folder in which Snakemake runs."""
VERSION = f"code-{sys.version_info.major}.{sys.version_info.minor}-2.json"
"""Its file: another one where modules may be read otherwise. The last number is raised when that is changed here."""


def code_digest(*modules: str, package: Path = PACKAGE) -> str:
    """Digest of modules of this package (`predict.timm`) and of all modules of it that they import, transitively.

    Comments, docstrings, layout and imports for type checkers do not count, nor do the fields that a newer Python adds
    to its syntax tree: it is the same on every supported Python.
    """
    return digest({module: _module(package, module)[0] for module in reached(*modules, package=package)})


def reached(*modules: str, package: Path = PACKAGE) -> set[str]:
    """Modules of the package, and all that they import of it, transitively.

    Raises ValueError where one of them imports what cannot be followed.
    """
    visited: set[str] = set()
    waiting = list(modules)
    while waiting:
        if (module := waiting.pop()) not in visited:
            visited.add(module)
            waiting += _module(package, module)[1]
    return visited


@cache
def _module(package: Path, module: str) -> tuple[str, list[str]]:
    """A module's digest, and the modules of the package that it imports."""
    stem = package.joinpath(*module.split("."))
    content = (stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")).read_bytes()
    try:
        code, targets = _read(content, package.name)
    except ValueError as error:
        msg = f"{module}: {error}; digests of code follow absolute imports only"
        raise ValueError(msg) from None
    return code, list(dict.fromkeys(_modules(targets, package)))


def _read(content: bytes, package: str) -> tuple[str, list[str]]:
    """The digest of a module's content, and what it imports: as it was found before, if its bytes are the same.

    Reading 130 modules takes as long as all else that a job does before it works.
    """
    key = sha256(content)
    if key not in _known():
        tree, pieces = ast.parse(content), list[str]()
        _write(tree, pieces)
        _known()[key] = sha256("\0".join(pieces).encode()), list(dict.fromkeys(_targets(tree, package)))
    code, targets = _known()[key]
    return code, targets


@cache
def _known() -> dict[str, tuple[str, list[str]]]:
    """What is known of modules, by the SHA-256 of their content, from earlier processes of this folder."""
    try:
        known: dict[str, tuple[str, list[str]]] = json.loads((KEPT / VERSION).read_bytes())
    except (OSError, ValueError):
        return {}
    return known


def keep() -> None:
    """Leave what is known of modules to other processes of this folder, where Snakemake has a place for it."""
    if KEPT.parent.is_dir() and _known():
        with written(KEPT / VERSION) as temporary:
            temporary.write_text(json.dumps(_known()))


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _runs(statement: ast.stmt) -> bool:
    """Whether a statement runs: neither a docstring nor `if TYPE_CHECKING:`."""
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return not (docstring and isinstance(statement.value.value, str)) and not _is_for_type_checkers(statement)  # type: ignore[attr-defined]


def _write(node: Any, pieces: list[str]) -> None:
    """A syntax tree as text, without positions and empty fields."""
    if not isinstance(node, ast.AST):
        pieces.append(repr(node))
        return
    pieces.append(f"({type(node).__name__}")
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            kept = [it for it in value if _runs(it)] if name in ("body", "orelse") else value
            if isinstance(node, ast.JoinedStr):  # Python 3.12.1 ends a format that holds a value with an empty text
                kept = [it for it in value if not (isinstance(it, ast.Constant) and it.value == "")]
            if kept:
                pieces.append(f"{name}[")
                for item in kept:
                    _write(item, pieces)
                pieces.append("]")
        elif value is not None:
            pieces.append(name)
            _write(value, pieces)
    pieces.append(")")


def _modules(targets: list[str], package: Path) -> Iterator[str]:
    """Modules of the package among what is imported, subpackages' own `__init__` included."""
    for target in targets:
        parts = target.split(".")
        for end in range(2, len(parts) + 1):
            stem = package.joinpath(*parts[1:end])
            if stem.is_dir() or stem.with_suffix(".py").exists():
                yield ".".join(parts[1:end])


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    """What a tree imports of the package, at any depth: modules, and names in them.

    Raises ValueError at an import that cannot be followed: a relative one, or one by a name that is made when it runs.
    """
    imported: list[str] = []
    match node:
        case ast.Import(names=names):
            imported = [alias.name for alias in names]
        case ast.ImportFrom(module=str(source), level=0, names=names):
            imported = [source, *(f"{source}.{alias.name}" for alias in names)]
        case ast.ImportFrom():
            msg = f"a relative import in line {node.lineno}"
            raise ValueError(msg)
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
            named = node.args[0] if node.args else None
            if not isinstance(named, ast.Constant) or str(named.value).partition(".")[0] == package:
                msg = f"a dynamic import in line {node.lineno}"
                raise ValueError(msg)
    yield from (name for name in imported if name.partition(".")[0] == package)
    for child in ast.iter_child_nodes(node):
        if not _is_for_type_checkers(child):
            yield from _targets(child, package)


if __name__ == "__main__":
    print(code_digest(*sys.argv[1:]))
