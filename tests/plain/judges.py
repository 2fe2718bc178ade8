"""Judged mapping, and judges compared, by plain loops over dictionaries, from the definitions alone."""

from collections import Counter, defaultdict

VERDICTS = ("same", "more general", "more specific", "sibling", "other")


def accepted(judgements: list[dict]) -> dict[str, int | None]:
    """The class that each answer stands for, of those nearest to it, or None."""
    by_pair = defaultdict(list)
    for row in judgements:
        if row["control"] is None and row["rank"] is not None:
            by_pair[row["answer"], row["rank"], row["class_id"]].append(row["verdict"])
    found: dict[str, int | None] = {}
    for (answer, _, class_id), said in sorted(by_pair.items()):
        found.setdefault(answer, None)
        if found[answer] is None and said.count("same") * 2 > len(said):
            found[answer] = class_id
    return found


def commonest(judgements: list[dict]) -> dict[tuple[str, int], str]:
    said = defaultdict(Counter)
    for row in judgements:
        if row["control"] is None and row["verdict"] is not None:
            said[row["answer"], row["class_id"]][row["verdict"]] += 1
    return {pair: max(VERDICTS, key=lambda verdict: counts[verdict]) for pair, counts in said.items()}


def compared(one: list[dict], main: list[dict]) -> dict[str, float | int]:
    """Agreement of two judges: a table of contingency, filled pair by pair."""
    mine, theirs = commonest(one), commonest(main)
    both = sorted(mine.keys() & theirs.keys())
    table = Counter((mine[pair], theirs[pair]) for pair in both)
    n = len(both)
    agreed = sum(table[verdict, verdict] for verdict in VERDICTS) / n
    rows = {verdict: sum(table[verdict, other] for other in VERDICTS) / n for verdict in VERDICTS}
    columns = {verdict: sum(table[other, verdict] for other in VERDICTS) / n for verdict in VERDICTS}
    chance = sum(rows[verdict] * columns[verdict] for verdict in VERDICTS)
    accepting = sum(count for (a, b), count in table.items() if (a == "same") == (b == "same")) / n
    return {
        "shared": n,
        "main_verdict": agreed * 100,
        "main_kappa": (agreed - chance) / (1 - chance),
        "main_same": accepting * 100,
    }


def with_itself(judgements: list[dict]) -> tuple[float, float]:
    """Shares of pairs on which all repeats agree, and of pairs of repeats that do, in percent."""
    by_pair = defaultdict(list)
    for row in judgements:
        if row["control"] is None:
            by_pair[row["answer"], row["class_id"]].append(row["verdict"])
    whole = [said for said in by_pair.values() if None not in said]
    equal = [[a == b for place, a in enumerate(said) for b in said[place + 1 :]] for said in whole]
    return (
        100 * sum(len(set(said)) == 1 for said in whole) / len(whole),
        100 * sum(sum(pairs) / len(pairs) for pairs in equal) / len(equal),
    )
