"""What a user may write, a module per section."""

import os

# to look for plugins, pydantic reads the metadata of every installed package; and none has a say in what is valid here
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
