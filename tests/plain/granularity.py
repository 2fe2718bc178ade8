"""Granularity and severity computed plainly: sets of paths to the root, and loops over answers."""

SHARES = ["right", "too_specific", "too_general", "sibling", "far", "unplaced"]


def paths(parents, node):
    """All ways from a node up to a root, which begin with it."""
    return [[node, *way] for parent in parents[node] for way in paths(parents, parent)] or [[node]]


def over(parents, node):
    return {step for way in paths(parents, node) for step in way}


def height(parents, node, leaves):
    """The longest way from one of the classes up to a node."""
    return max(way.index(node) for leaf in leaves for way in paths(parents, leaf) if node in way)


def relation(parents, node, label):
    if node == label:
        return "right"
    if label in over(parents, node):
        return "too_specific"
    if node in over(parents, label):
        return "too_general"
    kinds = {other for other, above in parents.items() if set(above) & set(parents[label])} | {label}
    return "sibling" if kinds & over(parents, node) else "far"


def severity(parents, node, label, leaves):
    if node == label:
        return 0
    return min(height(parents, shared, leaves) for shared in over(parents, node) & over(parents, label))


def best(parents, nodes, labels, leaves, root):
    """Relation, severity and the sizes of both sets and of their intersection; None where there is no node."""
    found = []
    for node in nodes:
        for label in labels:
            ours, theirs = over(parents, node) - {root}, over(parents, label) - {root}
            found.append((SHARES.index(relation(parents, node, label)), severity(parents, node, label, leaves),
                          len(ours ^ theirs), len(ours), len(theirs), len(ours & theirs)))  # fmt: skip
    return min(found, default=None)


def row(answers, parents, leaves, root):
    """The figures of a row from (nodes, labels) of each image."""
    each = [best(parents, nodes, labels, leaves, root) for nodes, labels in answers]
    placed = [it for it in each if it is not None]
    wrong = [it for it in placed if it[0]]

    def ratio(over, under):
        return over / under if under else None

    return {
        **{name: 100 * sum(it is not None and it[0] == at for it in each) / len(each) for at, name in enumerate(SHARES[:-1])},
        "unplaced": 100 * (len(each) - len(placed)) / len(each),
        "height": ratio(sum(it[1] for it in placed), len(placed)),
        "height_of_mistakes": ratio(sum(it[1] for it in wrong), len(wrong)),
        "hP": ratio(100 * sum(it[5] for it in placed), sum(it[3] for it in placed)),
        "hR": ratio(100 * sum(it[5] for it in placed), sum(it[4] for it in placed)),
        "n": len(each),
    }  # fmt: skip
