"""The columns that tell rows of the stages' files apart: told once, and shared by all of them."""

QUESTION = ["image_id", "task", "variant", "repeat"]
"""What a model was asked."""
ANSWER = ["model", *QUESTION]
"""Whose answer it is, and to what."""
