"""What a run was asked to be, and what it costs, for the table of runs that TensorBoard calls hparams."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from longsong.config import DataConfig, ModelConfig, TrainingConfig
from longsong.training.events import EventFile
from longsong.training.record import RunRecord

__all__ = ["COST_OVER_MEAN", "log_hyperparameters"]

COST_OVER_MEAN = "cost/best_dev_over_mean"
"""Name of the number that runs of one song are compared by: the best dev cost over that of predicting the mean."""

_FIRST = ("frame", "seq", "hidden", "cell", "seed")
"""Columns that tell the runs of a grid apart: TensorBoard shows the first five of those that are said to differ."""


def log_hyperparameters(run: Path, record: RunRecord, summary: Mapping[str, Any]) -> None:
    """Give a run's TensorBoard its hyperparameters, and its cost if it has a dev cost.

    The columns are the same for every run, as TensorBoard takes those of any one of them for all.

    Parameters
    ----------
    run : Path
        Its folder.
    record : RunRecord
    summary : mapping
        What is to be written as ``summary.json``: `updates`, `best`, `cost_of_mean`.

    Raises
    ------
    SpaceError
        The disk is full, or may not be written to.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import (
        STATUS_SUCCESS,
        Experiment,
        HParamInfo,
        MetricInfo,
        MetricName,
    )
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    when, began = time.time(), SessionStartInfo()
    for name, value in _values(record):
        if isinstance(value, bool):
            began.hparams[name].bool_value = value
        elif isinstance(value, str):
            began.hparams[name].string_value = value
        else:
            began.hparams[name].number_value = value
    cost = MetricInfo(
        name=MetricName(tag=COST_OVER_MEAN),
        display_name="dev cost over the mean's",
        description="Dev cost of the best epoch over the cost of predicting the mean: below 1 something was learnt.",
    )
    table = Experiment(
        hparam_infos=[HParamInfo(name=name, type=kind, differs=name in _FIRST) for name, kind in _columns().items()],
        metric_infos=[cost],
    )
    said = {
        metadata.EXPERIMENT_TAG: HParamsPluginData(experiment=table),
        metadata.SESSION_START_INFO_TAG: HParamsPluginData(session_start_info=began),
        metadata.SESSION_END_INFO_TAG: HParamsPluginData(
            session_end_info=SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=when)
        ),
    }
    values = [
        Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
        for tag, data in said.items()
    ]
    best, mean = summary["best"]["dev_cost"], summary["cost_of_mean"]
    with EventFile(run, None) as board:
        board.values(0, when, values)
        if best is not None and mean > 0:  # of a song that is constant there it is 0
            board.scalars(summary["updates"], when, {COST_OVER_MEAN: best / mean})


def _values(record: RunRecord) -> Iterator[tuple[str, bool | float | str]]:
    """Give the hyperparameters of a run that have a value."""
    found = {
        **record.data.to_json(),
        **record.model.to_json(),
        **record.training.to_json(),
        "precision": record.execution.precision,
        "song": record.song["name"],
    }
    for name, value in found.items():
        if value is not None:
            yield name, value


def _columns() -> dict[str, Any]:
    """Give the names of all hyperparameters, and TensorBoard's word for their kind."""
    from tensorboard.plugins.hparams.api_pb2 import DATA_TYPE_BOOL, DATA_TYPE_FLOAT64, DATA_TYPE_STRING

    kinds = {"bool": DATA_TYPE_BOOL, "int": DATA_TYPE_FLOAT64, "float": DATA_TYPE_FLOAT64}
    found = {
        field.name: kinds.get(str(field.type).removesuffix(" | None"), DATA_TYPE_STRING)
        for section in (DataConfig, ModelConfig, TrainingConfig)
        for field in fields(section)
    }
    return found | {"precision": DATA_TYPE_STRING, "song": DATA_TYPE_STRING}
