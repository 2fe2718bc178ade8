"""The drawing in docs/house.md: rooms of the package, and which import from which, as a Mermaid diagram.

`python -m tools.house` (`make reference`) writes it; a test fails when it is out of date. An arrow stands where a room
imports from another and from none between them.
"""

import re

import grimp
import networkx as nx

from mllm_classify.io.files import PROJECT

PAGE = PROJECT / "docs/house.md"
PACKAGE = "mllm_classify"
FENCED = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def rooms() -> "nx.DiGraph[str]":
    """Packages and modules of the first level, each with an edge to every other that it imports from."""
    imports = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    names = {child: child.removeprefix(f"{PACKAGE}.") for child in imports.find_children(PACKAGE)}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sorted(names.values()))
    for one, name in names.items():
        for other, imported in names.items():
            if one != other and imports.direct_import_exists(importer=one, imported=other, as_packages=True):
                graph.add_edge(name, imported)
    return graph


def drawing() -> str:
    """The diagram. Raises NetworkXError where rooms import from one another in a circle."""
    reduced = nx.transitive_reduction(rooms())
    arrows = [f"    {one} --> {other}" for one, other in sorted(reduced.edges)]
    return "\n".join(["```mermaid", "flowchart TD", *arrows, "```", ""])


def page(text: str) -> str:
    """The page with the drawing as it is now."""
    return FENCED.sub(lambda _: drawing(), text, count=1)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
