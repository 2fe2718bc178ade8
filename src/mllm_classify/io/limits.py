"""How much is read of what others wrote (docs/limits.md). What is larger is refused before it is read."""

FILE_BYTES = 2**30
"""Of a picture, or a file of classes, labels, answers or annotations, which are read whole."""
ENTRIES = 10_000_000
"""Members of a tar file, rows of a Parquet or Arrow file, pictures in a folder."""
GROUP_BYTES = 2**32
"""Of a column of pictures in a Parquet file's row group, which are read together."""
JSON_DEPTH = 100
"""Lists and objects within one another, in files and in servers' replies. Python can parse more than it can go through."""
CONFIGURATION_BYTES = 2**20
CONFIGURATION_VALUES = 100_000
"""Values and keys of a configuration; what an alias stands for counts each time."""
CONFIGURATION_DEPTH = 50
BUNDLE_ENTRIES = 100_000
"""Files in an archive."""
