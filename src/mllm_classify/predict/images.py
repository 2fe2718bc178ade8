"""Reading the images that were registered, and only those."""

from mllm_classify.files import InputError, locate, sha256


def read_image(image_id: str, file: str, digest: str, folder: str | None) -> bytes:
    """The bytes of a registered image.

    Raises InputError when the file is gone, or is no longer the one that the dataset stage saw.
    """
    path = locate(file, folder)
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"image {image_id!r}: {path.absolute()} cannot be read ({error.strerror}); see dataset.folder"
        raise InputError(msg) from None
    if (found := sha256(content)) != digest:
        msg = (
            f"image {image_id!r}: {path.absolute()} has changed since it was registered (SHA-256 {digest} then, {found} "
            "now); restore it, or give the manifest (dataset.images) its new SHA-256 in the column sha256"
        )
        raise InputError(msg)
    return content
