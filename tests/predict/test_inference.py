import threading

import numpy as np
import polars as pl
import pytest
import torch
from torchvision.transforms.functional import pil_to_tensor

from mllm_classify.config import Inference
from mllm_classify.predict import inference
from mllm_classify.predict.batches import Batch
from mllm_classify.predict.inference import Network, Output, in_order, outputs, split
from mllm_classify.predict.ranking import Ranker, highest, rows
from tests.predict.test_batches import TORN, by, written


@pytest.mark.parametrize(
    ("asked", "cpus", "device", "expected"),
    [(0, 1, "cpu", (0, 1)), (0, 2, "cpu", (1, 2)), (0, 4, "cpu", (1, 4)), (0, 32, "cpu", (8, 32)), (3, 4, "cpu", (3, 4)),
     (9, 4, "cpu", (9, 4)), (0, 1, "cuda", (0, 2)), (0, 8, "cuda:1", (7, 2)), (0, 64, "cuda", (16, 2)), (40, 8, "cuda", (40, 2))],
)  # fmt: skip
def test_cores_decode_and_compute(asked, cpus, device, expected):
    assert split(asked, cpus, torch.device(device)) == expected


def test_outputs_are_in_order_whichever_batch_is_done_first():
    """The second of two that are computed at once ends first: the first waits for it."""
    second = threading.Event()

    def compute(batch):
        if batch.places == [0]:
            assert second.wait(20)
        if batch.places == [1]:
            second.set()
        return Output(batch.places, np.zeros((1, 1)), [])

    loaded = (Batch([place], torch.zeros(1), []) for place in range(5))
    assert [output.places for output in in_order(compute, loaded, 2)] == [[0], [1], [2], [3], [4]]


def test_no_more_batches_are_loaded_than_are_computed_and_one_that_waits():
    loaded = []

    def load():
        for place in range(9):
            loaded.append(place)
            yield Batch([place], torch.zeros(1), [])

    found = in_order(lambda batch: Output(batch.places, np.zeros((1, 1)), []), load(), 2)
    next(found)
    assert loaded == [0, 1, 2]


class SquaredError(Exception):
    pass


def test_an_error_of_the_network_comes_out(tmp_path):
    def forward(_):
        raise SquaredError

    network = Network(torch.device("cpu"), pil_to_tensor, forward)
    with pytest.raises(SquaredError):
        list(outputs(network, written(tmp_path), Inference(), 2, by(3)))


@pytest.mark.parametrize("cpus", [1, 2])
def test_every_batch_is_computed_by_one_thread_and_threads_are_given_back(tmp_path, monkeypatch, cpus):
    monkeypatch.setattr(inference, "available", lambda cpus: cpus)
    before, seen = torch.get_num_threads(), []

    def forward(batch):
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled(), len(batch)))
        return batch.float().mean(dim=(2, 3))

    network = Network(torch.device("cpu"), pil_to_tensor, forward)
    found = list(outputs(network, written(tmp_path), Inference(), cpus, by(3)))
    assert seen == [(1, True, 3), (1, True, 3), (1, True, 1)]
    assert torch.get_num_threads() == before
    assert np.concatenate([output.values for output in found]).tolist() == [[number] * 3 for number in range(7)]


def test_rows_are_in_order_with_errors_among_them(tmp_path):
    images = written(tmp_path, i1=TORN, i4=TORN)
    network = Network(torch.device("cpu"), pil_to_tensor, lambda batch: batch[:, 0, 0, :3].float())
    scores = np.array([[0.1, 0.4, 0.4], [0.2, 0.0, 0.8]], dtype=np.float32)
    ranker = Ranker(network, lambda values: highest(scores[: len(values)]))
    counted = Inference(corrupt="count")
    first, second = outputs(network, images, counted, 1, [[0, 1, 2], [4]])
    found = pl.concat([rows(first, images, ranker), rows(second, images, ranker)])
    assert found["image_id"].to_list() == ["i0", "i1", "i2", "i4"]
    assert found["class_ids"].to_list() == [[1, 2, 0], None, [2, 0, 1], None]
    assert found["status"].to_list() == ["ok", "error", "ok", "error"]
    assert found["task"].to_list() == ["CW"] * 4
    assert "truncated" in found["error"][1]
    assert found["error"].null_count() == 2
