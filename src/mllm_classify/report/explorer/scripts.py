"""ES modules joined into one script: browsers let no page that was opened from disk import a module.

Every module becomes a function that runs when a browser would run the module: its names are its own, and of others'
it knows those that it imports. Modules are read by their forms, and whatever has another form is refused. Imports are
`import { a, b } from "./other.js";`, before all code; what others may import is declared, one name each, by
`export const`, `export class`, `export function` or `export async function`, at the beginning of a line.
"""

import re
from typing import NamedTuple

from mllm_classify.io.files import InputError

ENTRY = "main.js"
"""The module that is run; the others are run for it."""
NAMES = r"\s*[\w$]+(?:\s*,\s*[\w$]+)*\s*,?\s*"
IMPORT = re.compile(rf'^import \{{({NAMES})\}} from "\./([\w-]+\.js)";', re.MULTILINE)
HEAD = re.compile(rf"(?:\s|//[^\n]*|{IMPORT.pattern})*", re.MULTILINE)
"""What stands before all code: imports and comments."""
EXPORT = re.compile(r"^export (?=(?:const|class|(?:async )?function\*?) +([\w$]+))", re.MULTILINE)
DECLARED = re.compile(r"^(?:const|let|class|(?:async )?function\*?) +([\w$]+)", re.MULTILINE)
UNKNOWN = re.compile(r"(?:^|[;}]|\*/)[ \t]*((?:import|export)\b.*)|(?<![\w$.])(import\s*[(.].*)", re.MULTILINE)
"""Other imports and exports. `export let` is one: who imports it would keep its first value."""


class Module(NamedTuple):
    imports: list[tuple[str, list[str]]]
    """Other modules, and names of theirs, in the order in which they are imported."""
    exports: list[str]
    code: str
    """All of it, with imports as in `function`."""


def module(name: str, content: str) -> Module:
    """A module as it is read. Raises InputError where it has a form that is not known."""
    head = HEAD.match(content)[0]  # type: ignore[index]
    code = content[len(head) :]
    exports = EXPORT.findall(code)
    code = EXPORT.sub("", code)
    if unknown := UNKNOWN.search(code):
        msg = f"{name}: {(unknown[1] or unknown[2]).strip()!r} is no import or export of a known form, or not where it may be"
        raise InputError(msg)
    imports = [(other, re.findall(r"[\w$]+", names)) for names, other in IMPORT.findall(head)]
    known = [*(each for _, names in imports for each in names), *DECLARED.findall(code)]
    if twice := [each for each in known if known.count(each) > 1]:
        msg = f"{name}: two things are called {twice[0]}"
        raise InputError(msg)
    return Module(imports, exports, IMPORT.sub(r'const {\1} = $modules["\2"];', head) + code)


def joined(modules: dict[str, str]) -> str:
    """One script that runs ENTRY after all that it imports, in the order of browsers, whatever the order of `modules`.

    Raises InputError where something is imported that is not exported, modules import each other, or one is never
    imported.
    """
    known = {name: module(name, content) for name, content in sorted(modules.items())}
    order: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        """All that a module imports, then itself."""
        if name in path:
            msg = f"{' imports '.join([*path[path.index(name) :], name])}: which would run first?"
            raise InputError(msg)
        if name not in order:
            for other, names in known[name].imports:
                if missing := sorted(set(names) - set(known[other].exports if other in known else [])):
                    msg = f"{name}: {other} exports no {missing[0]}"
                    raise InputError(msg)
                visit(other, [*path, name])
            order.append(name)

    visit(ENTRY, [])
    if unused := [name for name in known if name not in order]:
        msg = f"{unused[0]}: no module imports it"
        raise InputError(msg)
    return "const $modules = {};\n" + "".join(function(name, known[name]) for name in order)


def function(name: str, it: Module) -> str:
    """A statement that runs a module, and keeps what it exports for those that follow."""
    exports = ", ".join(it.exports)
    return f'$modules["{name}"] = await (async () => {{\n{it.code.strip()}\nreturn {{ {exports} }};\n}})();\n'
