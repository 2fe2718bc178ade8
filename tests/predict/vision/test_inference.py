import threading

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import pil_to_tensor

from mllm_classify.config.vision import Inference
from mllm_classify.io.files import InputError
from mllm_classify.predict.vision import inference
from mllm_classify.predict.vision.inference import Network, in_order, outputs, processes
from mllm_classify.predict.vision.loader import Batch
from mllm_classify.predict.vision.ranking import highest
from tests.predict.vision.test_loader import TORN, by, written


@pytest.mark.parametrize(
    ("asked", "cpus", "device", "expected"),
    [(0, 1, "cpu", 0), (0, 2, "cpu", 2), (0, 32, "cpu", 32), (3, 1, "cpu", 3),
     (0, 1, "cuda", 0), (0, 8, "cuda:1", 7), (0, 64, "cuda", 16), (40, 8, "cuda", 40)],
)  # fmt: skip
def test_cores_are_taken_by_processes(asked, cpus, device, expected):
    assert processes(asked, cpus, torch.device(device)) == expected


def one(place):
    return Batch([place], torch.tensor([float(place)]))


def test_outputs_of_an_accelerator_are_in_order_whichever_batch_is_done_first():
    """The second of two that are computed at once ends first: the first waits for it."""
    second = threading.Event()

    def compute(tensor):
        if tensor[0] == 0:
            assert second.wait(20)
        if tensor[0] == 1:
            second.set()
        return tensor + 10

    found = list(in_order(compute, map(one, range(5))))
    assert [batch.places for batch in found] == [[0], [1], [2], [3], [4]]
    assert [batch.tensor.tolist() for batch in found] == [[10], [11], [12], [13], [14]]


def test_no_more_batches_are_loaded_than_are_computed_and_one_that_waits():
    loaded = []

    def load():
        for place in range(9):
            loaded.append(place)
            yield one(place)

    next(in_order(lambda tensor: tensor, load()))
    assert loaded == [0, 1, 2]


class BrokenError(Exception):
    pass


def numbers(batch):
    """What pictures say, the threads that computed it, and whether gradients would be kept."""
    more = torch.tensor([torch.get_num_threads(), torch.is_inference_mode_enabled()]).expand(len(batch), 2)
    return torch.cat([batch[:, 0, 0, :1], more], dim=1)


@pytest.fixture(params=[0, 2, "accelerator"])
def kind(request, monkeypatch):
    """Processes; or the way of batches to an accelerator, which here is the CPU again."""
    if request.param != "accelerator":
        return Inference(workers=request.param)
    monkeypatch.setattr(inference, "computes_itself", lambda _: False)
    return Inference(workers=1)


def test_an_error_of_the_network_comes_out(tmp_path, kind):
    def forward(_):
        raise BrokenError

    network = Network(torch.device("cpu"), pil_to_tensor, forward)
    with pytest.raises(BrokenError):
        list(outputs(network, written(tmp_path), kind, 2, by(3)))


def test_every_image_is_computed_once_and_in_order_and_threads_are_given_back(tmp_path, kind):
    before = torch.get_num_threads()
    network = Network(torch.device("cpu"), pil_to_tensor, numbers)
    found = list(outputs(network, written(tmp_path), kind, 2, by(3)))
    assert [output.places for output in found] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [output.values.tolist() for output in found] == [
        [[0, 1, 1], [1, 1, 1], [2, 1, 1]], [[3, 1, 1], [4, 1, 1], [5, 1, 1]], [[6, 1, 1]],
    ]  # fmt: skip
    assert torch.get_num_threads() == before


def test_an_image_that_cannot_be_decoded_is_an_error(tmp_path, kind):
    network = Network(torch.device("cpu"), pil_to_tensor, numbers)
    with pytest.raises(InputError, match=r"^image 'i4': .*4\.png cannot be decoded"):
        list(outputs(network, written(tmp_path, i4=TORN), kind, 2, by(3)))


def test_of_equal_scores_the_first_class_ranks_first():
    best, scores = highest(np.array([[0.1, 0.4, 0.4], [0.2, 0.0, 0.8]], dtype=np.float32))
    assert best.tolist() == [[1, 2, 0], [2, 0, 1]]
    np.testing.assert_allclose(scores, [[0.4, 0.4, 0.1], [0.8, 0.2, 0]])
