"""Multimodal LLMs evaluated as image classifiers, next to vision-language and supervised models."""
