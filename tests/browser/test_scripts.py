"""The page's modules in a browser: joined into one script, they do what they do as modules."""

import base64
import json
import re
from pathlib import Path

import pytest

from mllm_classify.report.explorer.document import FOLDER, inlined, source, write
from mllm_classify.report.explorer.scripts import ENTRY, joined
from tests.browser.conftest import Page
from tests.browser.plain import view
from tests.report.hostile import HOSTILE, IDS, study

MODULES = {path.name: path.read_text() for path in (FOLDER / "js").iterdir()}
VIEWS = [
    "",
    view(text="e", order="right-desc"),
    view(category="S-", class_=1, is_="any", under="imgt", right="0-1", distinct="1-"),
    view(if_=json.dumps(["chat", "CW+", "", 0, "wrong", "regt"]), shown='["chat","CW","",0]', order="answer-asc"),
    view(layout="grid", with_='["chat","CW+","",0]', split="neither"),
    view(layout="confusions"),
    *(view(image=image) for image in (IDS[1], IDS[-1])),
]


def unjoined(page: str) -> str:
    """A page that imports its modules, each from an address that holds it, and therefore without a policy."""
    named = {name: content.replace('from "./', 'from "').encode() for name, content in MODULES.items()}
    addresses = {
        name: f"data:text/javascript;base64,{base64.b64encode(content).decode()}" for name, content in named.items()
    }
    script = inlined(joined(MODULES), "script")
    assert page.count(script) == 1
    page, count = re.subn(
        r'<meta http-equiv="Content-Security-Policy" content="[^"]*">',
        f'<script type="importmap">{json.dumps({"imports": addresses})}</script>',
        page.replace(script, f'import "{ENTRY}";'),
    )
    assert count == 1
    return page


def shown(page: Page) -> list[tuple[object, ...]]:
    """All that the page shows, view by view, and on paper."""
    found = []
    for link in VIEWS:
        page.open(link)
        page.driver.execute_script("document.getElementById('add').click(); dispatchEvent(new Event('beforeprint'))")
        html = page.driver.execute_script(
            "const it = document.body.cloneNode(true); it.querySelectorAll('script').forEach((each) => each.remove());"
            "return it.innerHTML"
        )
        found.append((page.view, page.driver.title, html))
    return found


def test_modules_show_the_same_before_they_are_joined(driver, tmp_path: Path) -> None:
    data, _ = study(HOSTILE, [1] * len(HOSTILE), [[0, 2]] * len(HOSTILE))
    write(data, tmp_path / "joined.html")
    (tmp_path / "modules.html").write_text(unjoined((tmp_path / "joined.html").read_text("utf-8")), "utf-8")
    one, other = (shown(Page(driver, tmp_path / f"{name}.html", layout=None)) for name in ("joined", "modules"))
    assert one == other
    assert len({html for _, _, html in one}) == len(VIEWS)


@pytest.mark.parametrize("policy", [True, False])
def test_names_of_different_modules_do_not_clash(driver, tmp_path: Path, policy: bool) -> None:
    script = inlined(
        joined(
            {
                "main.js": 'import { title, own } from "./a.js";\nimport { parts } from "./b.js";\n'
                "const document = 0;\nconst own_ = own;\nparts.push(typeof secret, document, own_);\ntitle(parts);\n",
                "a.js": 'import { parts } from "./b.js";\nlet secret = 1;\nparts.push(secret);\nexport const own = "a";\n'
                "export function title(it) {\n  document.title = it.join();\n}\n",
                "b.js": "const secret = await 2;\nconst title = 3;\nconst own = 4;\nexport const parts = [secret, title, own];\n",
            }
        ),
        "script",
    )
    allowed = source(script) if policy else source(f"{script} ")
    path = tmp_path / "page.html"
    path.write_text(
        "<!doctype html><title></title>"
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; script-src {allowed}">'
        f'<link rel="icon" href="data:,"><script type="module">{script}</script>'
    )
    driver.get(path.as_uri())
    assert driver.title == ("2,3,4,1,undefined,0,a" if policy else "")
    refused = [entry["message"] for entry in driver.get_log("browser")]
    assert all("Content Security Policy" in message for message in refused)
    assert any("script" in message for message in refused) is not policy
