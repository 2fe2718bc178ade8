"""What pages call the categories of images."""

CATEGORIES = {
    "S+": "one ReGT label, which is the ImGT label",
    "S-": "one ReGT label, and the ImGT label is not it",
    "M+": "several ReGT labels, the ImGT label among them",
    "M-": "several ReGT labels, the ImGT label not among them",
    "N": "no class of the list",
}
"""The paper's Table 1 in words: by the labels as they are, without equivalences."""
