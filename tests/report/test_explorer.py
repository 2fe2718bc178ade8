"""What is packed into the page comes out of it again, whatever it says."""

import base64
import gzip
import hashlib
import html
import io
import json
import re
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mllm_classify.io.reading import AS_PILLOW
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import ranking_rows
from mllm_classify.report.explorer.answers import text_limit
from mllm_classify.report.explorer.columns import described_rankings
from mllm_classify.report.explorer.data import NOTHING, Data, distinct_sets, fixed_point
from mllm_classify.report.explorer.document import page as page_of
from mllm_classify.report.explorer.packing import packed as packed_of
from mllm_classify.report.explorer.pictures import thumbnails, thumbnails_of, with_pictures
from tests.report.hostile import CLASSES, HOSTILE, IDS, study

NUMBERS = st.integers(0, 3)


def unpacked(data: bytes) -> tuple[dict, dict]:
    """What docs of `packed` say of its bytes, read without its help."""
    raw = gzip.decompress(data)
    length = int.from_bytes(raw[:4], "little")
    head = json.loads(raw[4 : 4 + length])
    columns = {}
    for name, (dtype, offset, size) in head["columns"].items():
        assert (
            (4 + length + offset) % 8 == 4 % 8
            or dtype == "uint8"
            or (4 + length + offset) % np.dtype(dtype).itemsize == 0
        )
        columns[name] = np.frombuffer(raw, np.dtype(dtype).newbyteorder("<"), size, 4 + length + offset)
    for name in head["texts"]:
        whole, ends = columns[name].tobytes().decode().encode("utf-16-le"), columns.pop(f"{name}_ends")
        pairs = pairwise(ends)
        columns[name] = [whole[2 * int(start) : 2 * int(end)].decode("utf-16-le") for start, end in pairs]
    return head, columns


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_goes_in_comes_out(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, len(IDS)))
    text = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=30))
    given_answers = data.draw(st.lists(text, min_size=size, max_size=size))
    nearest = data.draw(st.lists(NUMBERS, min_size=size, max_size=size))
    rankings = data.draw(st.lists(st.lists(NUMBERS, min_size=1, max_size=3), min_size=size, max_size=size))
    made, scores = study(given_answers, nearest, rankings)
    packed = packed_of(made)
    assert packed == packed_of(made)
    head, columns = unpacked(packed)
    ids = columns["ids"]
    assert ids == IDS[1:size]
    assert columns["names"] == CLASSES["name"].to_list()
    assert [row["model"] for row in head["rows"] if row["main"]] == ["chat", "ranks"]
    sets = [[int(item) for item in key.split("|")] if key else [] for key in columns["sets"]]
    classes = dict(zip(IDS, rankings, strict=False))
    seen = 0
    for number, row in enumerate(head["rows"]):
        mine = scores.filter((pl.col("model") == row["model"]) & (pl.col("scoring") == row["scoring"]))
        assert mine["image_id"].to_list() == ids
        for place, wanted in enumerate(mine.iter_rows(named=True)):
            flags = columns[f"flags{number}"][place]
            bits = {name: bool(flags & bit) for name, bit in head["flags"].items()}
            assert bits == {
                "asked": True, "imgt": wanted["imgt"], "regt": wanted["regt"], "oop": bool(wanted["oop"]),
                **{name: wanted["status"] == name for name in ("error", "empty", "several", "unasked")},
            }  # fmt: skip
            predicted = sets[columns[f"set{number}"][place]]
            if row["model"] == "ranks":
                assert predicted == ([] if bits["error"] else classes[ids[place]][:1])
            seen += 1
    assert seen == scores.height
    (said,) = [answer for answer in head["answers"] if answer["model"] == "chat"]
    codes = columns[said["column"]]
    assert [columns["texts"][code - 1] for code in codes] == given_answers[1:]
    near = [sets[columns["nearest"][code - 1]] for code in codes]
    expected = [[] if not text.strip() else [each] for text, each in zip(given_answers, nearest, strict=True)]
    assert near == expected[1:]
    kept = [columns["similarity"][code - 1] for code in codes]
    assert kept == [5000 if each else NOTHING for each in expected[1:]]
    most = max((len(ranking) for ranking in rankings[1:-1]), default=0)
    assert [ranking["depth"] for ranking in head["rankings"]] == ([most] if most > 1 else [])
    if most > 1:
        assert [row["ranking"] for row in head["rows"]] == [
            0 if row["model"] == "ranks" else None for row in head["rows"]
        ]
        kept = columns["ranking0"].reshape(-1, most).tolist()
        expected = [[each + 1 for each in ranking] for ranking in rankings[1:-1]] + [[]]
        assert kept == [ranking + [0] * (most - len(ranking)) for ranking in expected]
        assert "scores0" not in columns
    (failed,) = [answer for answer in head["answers"] if answer["model"] == "ranks"]
    assert [columns["texts"][code - 1] if code else None for code in columns[failed["column"]]] == [
        *[None] * (size - 2), "torn </script>",
    ]  # fmt: skip


def test_the_page_runs_its_own_scripts_only() -> None:
    made, _ = study(HOSTILE, [1] * len(HOSTILE), [[0]] * len(HOSTILE))
    page = page_of("A <title>", packed_of(made))
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1])
    scripts = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert len(scripts) == 2
    named = {f"'sha256-{base64.b64encode(hashlib.sha256(it.encode()).digest()).decode()}'" for it in scripts}
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert set(directives["script-src"].split()) == named
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data: blob:"
    assert page.count("<script") - sum(script.count("<script") for script in scripts) == 3
    assert "A &lt;title&gt;" in page
    assert not re.search(r"(?:src|href)=[\"']?https?:", page.replace(scripts[0], ""))
    block = re.search(r'id="data">([^<]*)</script>', page)[1]
    assert unpacked(base64.b64decode(block))[1]["ids"] == made.columns["ids"]


def test_long_answers_are_cut_when_all_are_too_long() -> None:
    texts = pl.Series(["é" * 1000, "b" * 10])
    assert text_limit(texts, 10_000) >= 1000
    assert text_limit(texts, 600) == 256  # 2 bytes each, and 10 of the other
    assert text_limit(pl.Series([], dtype=pl.String), 1) == 1


def test_sets_are_told_apart_whatever_their_numbers() -> None:
    column = pl.Series([[1, 2], [12], [], None, [2, 1]], dtype=pl.List(pl.Int32))
    assert distinct_sets([column]) == ["", "1|2", "2|1", "12"]


def test_similarities_are_kept_to_four_decimals() -> None:
    values = pl.Series([0.12344, -1.0, None, float("nan"), float("inf")], dtype=pl.Float32)
    assert fixed_point(values).tolist() == [1234, -10_000, *[NOTHING] * 3]


def test_rankings_keep_their_first_classes_and_scores() -> None:
    ranked = ranking_rows(
        ["b", "c", "a"], [[3, 0, 1, 2, 0, 1], [1], [2, 3]], [[0.5, 0.25, 0.1, 1e-5, 0, 0], [1e9], [2, 1]]
    )
    places = pl.DataFrame({"image_id": ["a", "b"], "image": [0, 1]}, schema_overrides={"image": pl.UInt32})
    ((described,), columns) = described_rankings({"it": ranked}, places, {"it": 0}, 4)
    assert described == {"model": "it", "task": "CW", "variant": "", "repeat": 0, "depth": 5}
    assert columns["ranking0"].tolist() == [3, 4, 0, 0, 0, 4, 1, 2, 3, 1]
    assert columns["scores0"].dtype == np.float16
    expected = [2, 1, *[np.nan] * 3, 0.5, 0.25, 0.1, 1e-5, 0]
    np.testing.assert_allclose(columns["scores0"].astype(float), expected, rtol=1e-3, atol=1e-7)


def test_readers_own_files_are_known_by_the_end_of_their_path_and_their_digest() -> None:
    data = Data({}, {"ids": ["a", "b", "c"]})
    images = pl.DataFrame(
        {
            "image_id": ["c", "b", "a"],
            "file": [None, "/home/someone/secret/val/n01/b.png", "a.png"],
            "sha256": [None, "ff00000a" + "0" * 56, "0000000f" + "0" * 56],
        }
    )
    columns = with_pictures(data, images, {}).columns
    assert columns["files"] == ["a.png", "val/n01/b.png", "c"]
    assert columns["digests"].tolist() == [15, 0xFF00000A, 0]
    assert "files" not in with_pictures(data, images, {"a": b"jpeg"}).columns


def test_thumbnails_are_small_and_few(tmp_path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (900, 600), "#0072B2").save(content, "PNG")
    (tmp_path / "a.png").write_bytes(content.getvalue())
    rows = pl.DataFrame(
        {"image_id": ["a"], "file": ["a.png"], "sha256": [hashlib.sha256(content.getvalue()).hexdigest()]}
    )
    images = Images(rows, str(tmp_path))
    most = 10**6
    for size in (900, 640, 320):
        (made,) = thumbnails(images, most_bytes=most)
        most = len(made) - 1
        with Image.open(io.BytesIO(made)) as copy:
            assert (copy.format, copy.size) == ("JPEG", (size, round(size * 2 / 3)))
    assert thumbnails(images, most=0) == []
    assert thumbnails(images, most_bytes=10) == []
    assert thumbnails_of(b"no picture", AS_PILLOW, [320, 160]) == [b"", b""]
