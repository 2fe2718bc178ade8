"""The page: its data, style and scripts in one file, and a policy that lets nothing else run."""

import base64
import hashlib
import html
import re
from pathlib import Path

from mllm_classify.io.files import InputError, read_text, written
from mllm_classify.report.explorer.data import Data
from mllm_classify.report.explorer.packing import packed
from mllm_classify.report.explorer.scripts import joined

FOLDER = Path(__file__).parent
LIBRARY = "package:itables/html/dt_bundle"
"""DataTables and its Scroller, as itables ships them: an ES module, and its style sheet."""


def page(title: str, data: bytes) -> str:
    """The HTML page, complete in itself. Nothing but the scripts and styles that it is made with can run in it."""
    library = inlined(module_as_global(read_text(f"{LIBRARY}.js"), "DataTable"), "script")
    modules = {path.name: path.read_text("utf-8") for path in (FOLDER / "js").glob("*.js")}
    script = inlined(joined(modules), "script")
    styles = [
        inlined(read_text(f"{LIBRARY}.css"), "style"),
        inlined((FOLDER / "style.css").read_text("utf-8"), "style"),
    ]
    policy = (
        f"default-src 'none'; script-src {source(library)} {source(script)}; "
        f"style-src-elem {' '.join(map(source, styles))}; style-src-attr 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "title": html.escape(title),
        "policy": html.escape(policy, quote=True),
        "library_style": styles[0],
        "style": styles[1],
        "library": library,
        "script": script,
        "data": base64.b64encode(data).decode(),
    }
    template = (FOLDER / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def module_as_global(module: str, name: str) -> str:
    """An ES module whose default export is a global: a page without a server cannot import one from another."""
    changed, count = re.subn(
        r"export\s*\{[^}]*?(\w+) as default[^}]*\};?", lambda match: f"globalThis.{name}={match[1]};", module
    )
    if count != 1:
        msg = f"{LIBRARY}.js: no default export; itables is of a version that this project does not know"
        raise InputError(msg)
    return changed


def inlined(content: str, tag: str) -> str:
    """A script or style as it stands in a page: what browsers would change is changed before it is hashed."""
    # <!-- and a later <script would hide the end from the parser; \! is ! in strings and regular expressions
    content = content.replace("\r\n", "\n").replace("\r", "\n").replace("<!--", r"<\!--")
    if match := re.search(rf"</{tag}|\0", content, re.IGNORECASE):
        msg = f"{match[0]!r} would end or change a {tag} in a page"
        raise InputError(msg)
    return content


def source(content: str) -> str:
    """The name by which a content security policy allows a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def write(data: Data, path: str | Path) -> None:
    content = page(f"Explorer: {data.facts['study']['dataset']}", packed(data))
    with written(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
