"""The second annotation pass: images on which a model and the labels disagree are shown to people again (Sec. 3.4)."""
