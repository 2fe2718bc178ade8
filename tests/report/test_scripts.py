"""The modules of a page's script, joined: as browsers would run them, or refused."""

import random
import re

import pytest

from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.plan.code import PACKAGE, reached
from mllm_classify.plan.lineage import Lineages
from mllm_classify.report.explorer.document import FOLDER
from mllm_classify.report.explorer.scripts import ENTRY, joined, module

MODULES = {path.name: path.read_text() for path in (FOLDER / "js").iterdir()}
IMPORTS = re.compile(r'^import \{([^}]*)\} from "\./(.*)";$', re.MULTILINE)


def test_the_script_is_the_same_whatever_the_order_of_the_files() -> None:
    names = sorted(MODULES)
    script = joined({name: MODULES[name] for name in names})
    for seed in range(20):
        random.Random(seed).shuffle(names)
        assert joined({name: MODULES[name] for name in names}) == script


def test_every_module_runs_once_after_all_that_it_imports() -> None:
    order = re.findall(r'^\$modules\["(.*)"\] = ', joined(MODULES), re.MULTILINE)
    assert sorted(order) == sorted(MODULES)
    assert order[-1] == ENTRY
    imported = 0
    for name, content in MODULES.items():
        for names, other in IMPORTS.findall(content):
            assert order.index(other) < order.index(name)
            for each in names.split(","):
                assert re.search(
                    rf"^export (?:const|class|function|async function) {each.strip()}\b", MODULES[other], re.MULTILINE
                )
                imported += 1
    assert imported > 100


def test_modules_know_of_one_another_what_they_import_only() -> None:
    """Each is a function: what it declares is inside."""
    script = joined(MODULES)
    outside = re.sub(
        r"^\$modules\[\"[\w-]+\.js\"\] = await \(async \(\) => \{\n.*?\n\}\)\(\);\n",
        "",
        script,
        flags=re.MULTILINE | re.DOTALL,
    )
    assert outside == "const $modules = {};\n"
    inside = re.split(r"^\$modules\[.*\n", script, flags=re.MULTILINE)[1:]
    assert len(inside) == len(MODULES)
    for content in inside:
        assert not re.search(r"^(?:import|export)\b", content, re.MULTILINE)
        assert re.search(r"^return \{ [\w, $]* \};$", content, re.MULTILINE)


def test_modules_may_give_different_things_the_same_name() -> None:
    modules = {
        "main.js": 'import { one } from "./one.js";\nimport { two } from "./two.js";\nconst secret = 0;\n',
        "one.js": "const secret = 1;\nexport const one = secret;\n",
        "two.js": "const secret = 2;\nexport function two() {\n  return secret;\n}\n",
    }
    assert joined(modules) == (
        "const $modules = {};\n"
        '$modules["one.js"] = await (async () => {\nconst secret = 1;\nconst one = secret;\nreturn { one };\n})();\n'
        '$modules["two.js"] = await (async () => {\nconst secret = 2;\nfunction two() {\n  return secret;\n}\n'
        "return { two };\n})();\n"
        '$modules["main.js"] = await (async () => {\nconst { one } = $modules["one.js"];\n'
        'const { two } = $modules["two.js"];\nconst secret = 0;\nreturn {  };\n})();\n'
    )


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"main.js": 'import { a } from "./a.js";'}, "main.js: a.js exports no a"),
        ({"main.js": 'import { a } from "./a.js";', "a.js": "const a = 1;"}, "main.js: a.js exports no a"),
        ({"main.js": 'import { a } from "./a.js";', "a.js": "export const a = 1, b = 2;", "b.js": ""}, "b.js: no module imports it"),
        ({"main.js": 'import { b } from "./a.js";', "a.js": "export const a = 1, b = 2;"}, "a.js exports no b"),
        ({"main.js": 'import { a } from "./main.js";'}, "main.js: main.js exports no a"),
        (
            {
                "main.js": 'import { a } from "./a.js";\nexport const main = 1;',
                "a.js": 'import { main } from "./main.js";\nexport const a = 1;',
            },
            "main.js imports a.js imports main.js: which would run first",
        ),
        (
            {
                "main.js": 'import { a } from "./a.js";',
                "a.js": 'import { b } from "./b.js";\nexport const a = 1;',
                "b.js": 'import { c } from "./c.js";\nexport const b = 1;',
                "c.js": 'import { a } from "./a.js";\nexport const c = 1;',
            },
            "a.js imports b.js imports c.js imports a.js: which would run first",
        ),
    ],
)  # fmt: skip
def test_imports_that_cannot_be_had_are_refused(modules: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        joined(modules)


@pytest.mark.parametrize(
    "statement",
    [
        'import "./a.js";',
        'import a from "./a.js";',
        'import * as a from "./a.js";',
        'import { a as b } from "./a.js";',
        'import { a } from "a";',
        'import { a } from "../a.js";',
        "import { a } from './a.js';",
        'import { a } from "./a.js" with { type: "json" };',
        'const a = 1;\nimport { b } from "./b.js";',
        'const a = 1; import { b } from "./b.js";',
        '/* why */ import { b } from "./b.js";',
        'const a = await import("./a.js");',
        "const here = import.meta.url;",
        "export let a = 1;",
        "export var a = 1;",
        "export default function a() {}",
        "export const { a, b } = c;",
        "export { a };",
        'export { a } from "./a.js";',
        'export * from "./a.js";',
        "const a = 1;\n  export const b = 2;",
        "const a = 1; export const b = 2;",
    ],
)
def test_forms_that_are_not_known_are_refused(statement: str) -> None:
    with pytest.raises(InputError, match="no import or export of a known form"):
        module("it.js", statement)


@pytest.mark.parametrize(
    "content",
    [
        'import { a } from "./a.js";\nconst a = 1;',
        'import { a } from "./a.js";\nexport async function a() {}',
        'import { a } from "./a.js";\nimport { a } from "./b.js";',
        "export const a = 1;\nclass a {}",
        "let a;\nfunction* a() {}",
    ],
)
def test_two_things_of_one_name_in_a_module_are_refused(content: str) -> None:
    with pytest.raises(InputError, match="two things are called a"):
        module("it.js", content)


def test_what_only_looks_like_an_import_is_code() -> None:
    content = (
        '// import { old } from "./old.js";\nimport {\n  a,\n  $b,\n} from "./a.js"; // both\n\n'
        "// what may be imported is not exported\nexport const imported = a.import(1) + important + $b;\n"
        "const exported = `${imported}: export`;\n"
    )
    it = module("it.js", content)
    assert it.imports == [("a.js", ["a", "$b"])]
    assert it.exports == ["imported"]
    assert it.code.startswith(
        '// import { old } from "./old.js";\nconst {\n  a,\n  $b,\n} = $modules["a.js"]; // both\n'
    )


def test_all_that_the_page_is_made_of_is_in_its_lineage() -> None:
    files = {path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    job = Lineages(load(PROJECT / "config.yaml")).job("explorer")
    assert {name for name, _ in job.spec[-1]} == {path.name for path in files if path.suffix != ".py"}
    code = {path.relative_to(PACKAGE).with_suffix("") for path in files if path.suffix == ".py"}
    assert {".".join(path.parts).removesuffix(".__init__") for path in code} <= reached(*job.modules)
