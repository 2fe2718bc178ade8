from typing import get_args

from mllm_classify.config.dataset import SOURCES
from mllm_classify.config.every_dataset import SecondLabelSet
from mllm_classify.dataset import images, label_files
from mllm_classify.dataset.label_files import expert_labels
from tests.dataset.given import IMAGENET, LOOKUP


def test_each_format_of_the_configuration_has_a_reader():
    assert tuple(label_files.READERS) == get_args(SecondLabelSet.model_fields["format"].annotation)


def test_each_source_of_the_configuration_has_a_reader():
    assert sorted(images.READERS) == SOURCES


def test_without_an_expert_there_are_no_expert_labels():
    assert expert_labels(IMAGENET, LOOKUP) == {}
