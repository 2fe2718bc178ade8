"""Code with an operator turned around."""

import ast
import copy
from collections.abc import Iterator

FRAMES = {"DataFrame", "LazyFrame", "Series", "Expr"}
METHODS = {
    *("with_columns", "group_by", "explode", "drop_nulls", "is_null", "is_not_null", "is_in", "partition_by", "vstack"),
    *("hstack", "iter_rows", "to_numpy", "to_list", "height", "schema", "lazy", "collect"),
}
TURNED: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
NAMES = {"is_null": "is_not_null", "is_not_null": "is_null", "min": "max", "max": "min", "sum": "len", "first": "last"}


def touches_a_frame(node: ast.AST) -> bool:
    """Whether a function mentions polars, a frame, or what only frames do."""
    for it in ast.walk(node):
        match it:
            case ast.Attribute(value=ast.Name(id="pl")) | ast.Name(id="pl"):
                return True
            case ast.Attribute(attr=name) if name in METHODS:
                return True
            case ast.Name(id=name) if name in FRAMES:
                return True
    return False


def functions(source: str) -> Iterator[str]:
    """The names of functions and methods that touch a frame."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(touches_a_frame, node.body)):
            yield node.name


def turned(node: ast.AST) -> bool:
    """Turn around one operator of a node, if it has one."""
    match node:
        case ast.Compare(ops=[first, *_]) if type(first) in TURNED:
            node.ops[0] = TURNED[type(first)]()
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in TURNED:
            node.op = TURNED[type(operator)]()
        case ast.UnaryOp(op=ast.Invert() | ast.Not()):
            node.op = ast.USub()
        case ast.Attribute(attr=name) if name in NAMES:
            node.attr = NAMES[name]
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value)):
            node.value = value + 1
        case _:
            return False
    return True


def mutated(source: str, function: str) -> Iterator[str]:
    """The source once for each operator of a function, turned around; where it has none, with another string or call."""
    tree = ast.parse(source)
    (body, *_) = (
        it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef) and it.name == function
    )
    places = [number for number, node in enumerate(ast.walk(body)) if turned(copy.deepcopy(node))]
    for place in places[:5]:
        changed = copy.deepcopy(tree)
        (other, *_) = (
            it for it in ast.walk(changed)
            if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef) and it.name == function
        )  # fmt: skip
        node = list(ast.walk(other))[place]
        assert turned(node)
        yield ast.unparse(changed)
    if not places:
        other = copy.deepcopy(tree)
        (node, *_) = (
            it
            for it in ast.walk(other)
            if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef) and it.name == function
        )
        node.body.append(ast.Pass())
        yield ast.unparse(other)
