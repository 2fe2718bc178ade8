"""What a reader of a data source says of each image."""

from typing import NamedTuple


class Registered(NamedTuple):
    """An image that is to be evaluated."""

    place: str  # that names it in errors
    image_id: str
    file: str | None  # its place (`io.places`); None where there are predictions only
    sha256: str  # that the manifest demands, or empty
    own_label: int | None = None  # its class, where the source says that
