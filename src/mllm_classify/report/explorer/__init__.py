"""One page on which every image, and every model's answer to it, is found: opened from disk, without a server."""
