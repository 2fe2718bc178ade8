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
BUNDLE_LIST_BYTES = 2**24
"""Of an archive's own list of its files, of which each entry becomes an object many times its size."""
REPLY_BYTES = 2**23
"""Of a chat server's reply. No answer in words has as many."""
EMBEDDINGS_BYTES = 2**26
"""Of a reply to a request for embeddings. A thousand vectors of 3,072 numbers have some 40 MB."""
BATCH_BYTES = 2**30
"""Of a file of a batch's answers, which is read whole."""
JOURNAL_LINE_BYTES = 2**28
"""Of an answer in a journal, which holds one of `REPLY_BYTES` in any form; a file without line breaks has no answer."""
PARQUET_ROWS = 100_000_000
"""Of a Parquet file of somebody else's: a file of a kB can say that it has more."""
PARQUET_VALUES = 1_000_000_000
"""In each of its columns, which may hold lists."""
PARQUET_BYTES = 2**32
"""Of its pages when they are unpacked."""
PARQUET_FOOTER_BYTES = 2**24
"""Of its list of columns and pages."""
