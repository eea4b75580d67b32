"""What the 2016 scripts did, against the words of FACTS section 6."""

from __future__ import annotations

from itertools import islice
from typing import get_args

import numpy as np
import pytest
import torch

from longsong.config import ModelConfig, Switch
from longsong.generation.as_coded import (
    UpsideDown,
    iterations,
    linear_maps,
    recurrent,
    stretched,
)
from longsong.model import Network
from longsong.model.fused import Products
from longsong.switches import deviations_of


def network_of(cell: str = "gru", recurrence: str = "time"):
    network = Network(ModelConfig(cell=cell, hidden=4, recurrence=recurrence), 3)
    return network, 0.3 * torch.randn(network.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("recurrence", ["time", "batch"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_predictions_are_those_of_the_network(cell, recurrence, elementwise):
    network, flat = network_of(cell, recurrence)
    predict = recurrent(network, flat, Products(), elementwise)
    for seq in (5, 2, 5):
        sequence = torch.randn(seq, 3, dtype=torch.float64)
        expected = network.predict(network.named(flat), sequence[None])[0]
        torch.testing.assert_close(predict(sequence), expected, rtol=0, atol=1e-13)


def test_what_is_fed_back_is_changed_and_what_is_given_is_not():
    seen = []

    def predict(sequence: torch.Tensor) -> torch.Tensor:
        seen.append(sequence.clone())
        return sequence + 1

    found = list(islice(iterations(predict, torch.zeros(2, 1), lambda predicted: -predicted), 3))
    assert [float(sequence[0, 0]) for sequence in seen] == [0, -1, 0]
    assert [float(sequence[0, 0]) for sequence in found] == [1, 0, 1]


def test_untrained_there_is_no_recurrence():
    network, flat = network_of()
    p, sequence = network.named(flat), torch.randn(4, 3, dtype=torch.float64)
    predicted = linear_maps(network, flat)(sequence)
    by_hand = (sequence @ p["input_to_hidden.W"] + p["input_to_hidden.b"]) @ p["hidden_to_output.W"]
    torch.testing.assert_close(predicted, by_hand + p["hidden_to_output.b"], rtol=0, atol=1e-14)
    turned = linear_maps(network, flat)(sequence.flip(0))
    torch.testing.assert_close(turned.flip(0), predicted, rtol=0, atol=1e-14)


def test_upside_down_expands_to_the_range_of_all_so_far():
    change = UpsideDown()
    assert change(torch.tensor([0.0, 1.0, 4.0])).tolist() == [4, 3, 0]
    # The range so far is [0, 4]: what is small is expanded to it.
    assert change(torch.tensor([1.0, 2.0])).tolist() == [4, 0]
    assert change(torch.tensor([-4.0, 4.0, 0.0])).tolist() == [4, -4, 0]
    assert change(torch.tensor([2.0, 2.0])).tolist() == [4, 4]


def test_stretched_its_range_is_that_of_the_script():
    found = stretched(torch.tensor([-0.1, 0.0, 0.3], dtype=torch.float64), -3000, 3000)
    np.testing.assert_allclose(found.numpy(), [-3000, -1500, 3000], rtol=1e-12)
    assert stretched(torch.ones(4), -3000, 3000).tolist() == [0] * 4


def test_each_switch_is_explained_by_its_difference():
    assert tuple(one.name for one in deviations_of("generating")) == get_args(Switch)
    assert [one.id for one in deviations_of("generating")] == ["D02", "D03", "D04", "D13", "D14", "D15"]
