"""What 2016 reports, against what a run is by default."""

from __future__ import annotations

from longsong.config import DataConfig, ModelConfig, TrainingConfig
from longsong.reported import BATCH, CODE_CONFIGURATIONS, EPOCHS, LAYERS, SETTINGS, Configuration, post_configurations


def test_a_run_is_by_default_as_in_2016() -> None:
    sections = {"model": ModelConfig(), "training": TrainingConfig()}
    for name, due in SETTINGS.items():
        section, setting = name.split(".")
        assert getattr(sections[section], setting) == due, name
    assert TrainingConfig().epochs == EPOCHS
    assert DataConfig(40, 50).batch == BATCH
    assert ModelConfig().layers == LAYERS


def test_which_configurations_are_of_the_code_alone() -> None:
    both = set(CODE_CONFIGURATIONS) & set(post_configurations())
    assert {one.shape for one in both} == {"4000x50", "1000x50", "1000x100", "4000x100"}
    assert Configuration(40, 40000, 256, batch=4, epochs=120, normalise="stdev") in set(CODE_CONFIGURATIONS) - both
