"""Tar shards as WebDataset writes them: files whose names are the same up to the first dot are a sample."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io import places, tar
from mllm_classify.io.files import InputError
from mllm_classify.io.limits import JSON_DEPTH
from mllm_classify.io.records import deeper
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.pictured import WebDataset

BRACES = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
MOST_SHARDS = 100_000
LABEL_BYTES = 2**20
"""Of a file that says a sample's class."""
Sample = dict[str, str]
"""The members of a sample, by their endings."""


def registered(dataset: "WebDataset", classes: "pl.DataFrame") -> list[Registered]:
    """The samples of all shards, in their order; an image's id is its key.

    Raises InputError naming shard and member: a shard is missing or damaged, a sample has no picture, several, or no
    class; a key stands in two places of one shard.
    """
    lookup = Lookup(classes)
    images = []
    for shard in shards(dataset.folder, dataset.shards):
        for key, sample in samples(Path(dataset.folder) / shard, shard).items():
            pictures = [ending for ending in sample if ending.lower() in dataset.image]
            place = f"{shard}: sample {shown(key, 300)}"
            if len(pictures) != 1:
                msg = f"{place}: has {len(pictures)} pictures, not one, among its endings {', '.join(map(shown, sample))} (dataset.image)"
                raise InputError(msg)
            if dataset.labels not in sample:
                msg = f"{place}: has no .{dataset.labels} with its class, but {', '.join(map(shown, sample))} (dataset.labels)"
                raise InputError(msg)
            member = sample[pictures[0]]
            label = _label(dataset, lookup, Path(dataset.folder) / shard, shard, sample[dataset.labels])
            images.append(Registered(f"{shard}: member {member!r}", key, places.member(shard, member), "", label))
    return images


def shards(folder: str, pattern: str) -> list[str]:
    """The names of the shards in a folder: numbers in braces are counted, * and ? are what is there, sorted.

    Raises InputError where there is none of a name.
    """
    names = [pattern]
    while found := next((it for name in names if (it := BRACES.search(name))), None):
        first, last = int(found[1]), int(found[2])
        if not 0 <= last - first < MOST_SHARDS or len(names) * (last - first + 1) > MOST_SHARDS:
            msg = f"dataset.shards: {pattern!r}: from {first} to {last} is no range of at most {MOST_SHARDS:,} shards"
            raise InputError(msg)
        names = [
            name.replace(found[0], f"{number:0{len(found[1])}}", 1)
            for name in names
            for number in range(first, last + 1)
        ]
    listed: list[str] = []
    for name in names:
        there = [name]
        if any(sign in name for sign in "*?["):
            there = sorted(it.relative_to(folder).as_posix() for it in Path(folder).glob(name) if it.is_file())
        if not there or not (Path(folder) / there[0]).is_file():
            msg = f"dataset.shards: no {name!r} in dataset.folder, {folder!r}"
            raise InputError(msg)
        listed += there
    if other := [name for name in listed if not name.endswith(".tar")]:
        msg = f"dataset.shards: {other[0]!r} does not end in .tar; compressed shards cannot be read member by member"
        raise InputError(msg)
    return list(dict.fromkeys(listed))


def samples(path: Path, shard: str) -> dict[str, Sample]:
    """The members of each sample by their endings, in the order of the shard. Raises InputError as `tar.members` does."""
    found: dict[str, Sample] = {}
    for member in tar.members(path):
        pure = PurePosixPath(member)
        base, _, ending = pure.name.partition(".")
        if not base or not ending:  # of no sample, as WebDataset has it
            continue
        key = base if str(pure.parent) == "." else f"{pure.parent}/{base}"
        if (other := found.setdefault(key, {}).setdefault(ending, member)) != member:
            msg = f"{shard}: members {shown(other, 300)} and {shown(member, 300)} are of one sample and ending"
            raise InputError(msg)
    return found


def _label(dataset: "WebDataset", lookup: Lookup, path: Path, shard: str, member: str) -> int:
    """The class that a member says. Raises InputError where it says none."""
    place = f"{shard}: member {shown(member, 300)}"
    if tar.members(path)[member].size > LABEL_BYTES:
        msg = f"{place}: more than {LABEL_BYTES:,} bytes for a class"
        raise InputError(msg)
    try:
        text = tar.read(path, member).decode("utf-8-sig")
        if not dataset.labels.endswith("json"):
            return lookup.one(place, text.strip())
        content = json.loads(text)
        if not isinstance(content, dict) or dataset.field not in content or deeper(content, JSON_DEPTH):
            msg = f"{place}: no JSON object with {dataset.field!r} (dataset.field)"
            raise InputError(msg)
        return lookup.one(place, content[dataset.field])
    except (ValueError, RecursionError) as error:
        msg = f"{place}: neither text nor JSON that says a class ({type(error).__name__})"
        raise InputError(msg) from None
    except OSError as error:
        msg = f"{place}: cannot be read ({error.strerror})"
        raise InputError(msg) from None
