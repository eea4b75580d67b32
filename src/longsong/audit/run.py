"""One run's folder as evidence: every file read apart, each fault kept with the kind of file it is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.network import cell_of, expected_shapes, layers_of
from longsong.audit.run_metrics import RunMetrics
from longsong.audit.wavs import Wav
from longsong.errors import RunError, UnreadableError
from longsong.fields import CONFIG, STATE, SUMMARY, Fields, require
from longsong.files import read_json, reading_named, sha256_of
from longsong.reported import Configuration
from longsong.sound_record import read_sound_record

__all__ = ["Run"]

Shapes = dict[str, tuple[int, ...]]


@dataclass(eq=False)
class Run:
    """A run, read from its folder when asked.

    Attributes
    ----------
    folder : Path
        The run's folder.
    config : dict
        ``config.json``, checked.
    group : str
        ``grid``, ``comparison``, or ``single`` for a run that `grid.json` does not name.
    set : str
        ``code`` for one that `grid.json` has in the code's own set, and that is a configuration of it (FACTS
        section 3); else ``post``.

    Every reader below raises `RunError` where a file is missing, cut short or altered, and `UnreadableError` where the
    system does not give it, or a newer version wrote it: that is no fault of the run. `altered` says the
    first in words.
    """

    folder: Path
    config: dict[str, Any]
    group: str = "single"
    set: str = "post"
    _digests: dict[Path, str] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path, group: str = "single", set: str = "post") -> Run:
        """Read a run's ``config.json``; the rest is read when asked for."""
        path = folder / "config.json"
        config = read_json(path, "longsong.run", 1)
        require(config, CONFIG, str(path))
        return cls(folder, config, group, set)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def complete(self) -> bool:
        """Whether training came to its end."""
        return (self.folder / "summary.json").exists()

    @property
    def configuration(self) -> Configuration:
        """What the run is of the post's and the code's configurations."""
        return Configuration(
            self.of("data.frame"),
            self.of("data.seq"),
            self.of("model.hidden"),
            self.of("data.batch"),
            self.of("training.epochs"),
            self.of("data.normalise"),
        )

    def path(self, *parts: str) -> Path:
        """Give the path of one of the run's files."""
        return self.folder.joinpath(*parts)

    def of(self, key: str) -> Any:
        """Give a value of ``config.json`` by its dotted name, such as ``data.frame``."""
        found: Any = self.config
        for part in key.split("."):
            found = found[part]
        return found

    @cached_property
    def summary(self) -> dict[str, Any]:
        """``summary.json``."""
        return _read(self.path("summary.json"), "longsong.summary", SUMMARY)

    @cached_property
    def generated(self) -> dict[str, Any]:
        """``generated.json``."""
        return read_sound_record(self.path("generated.json"))

    @property
    def has_sound(self) -> bool:
        """Whether anything was generated from the run."""
        return self.path("generated.wav").exists() or self.path("generated.json").exists()

    @cached_property
    def wav(self) -> Wav:
        """``generated.wav``."""
        return Wav.open(self.path("generated.wav"))

    @cached_property
    def metrics(self) -> RunMetrics:
        """``metrics.jsonl``."""
        return RunMetrics.read(self.path("metrics.jsonl"))

    @cached_property
    def checkpoint(self) -> Path:
        """The folder of the last checkpoint."""
        held = self.path("checkpoints")
        try:
            folders = sorted(path for path in held.iterdir() if path.name.startswith("update-") and path.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            folders = []
        except OSError as error:
            raise UnreadableError(
                f"{held} cannot be read ({error.strerror}); check its permissions, and the disk"
            ) from error
        if not folders:
            raise RunError(f"there is no checkpoint in {held}; train again")
        return folders[-1]

    @cached_property
    def state(self) -> dict[str, Any]:
        """``state.json`` of the last checkpoint."""
        return _read(self.checkpoint / "state.json", "longsong.checkpoint", STATE)

    @property
    def last_parameters(self) -> Path:
        """The parameters after the last update."""
        return self.checkpoint / "parameters.safetensors"

    @property
    def best_parameters(self) -> Path:
        """The parameters of the lowest dev cost."""
        return self.path("checkpoints", "best.safetensors")

    @cached_property
    def shapes(self) -> Shapes:
        """Names and shapes of the last parameters, from the file's header."""
        return tensor_shapes(self.last_parameters)

    @cached_property
    def optimiser_shapes(self) -> Shapes:
        """Names and shapes of the optimiser's state, from the file's header."""
        return tensor_shapes(self.checkpoint / "optimiser.safetensors")

    @property
    def parameter_count(self) -> int:
        """Number of parameters, counted over the shapes."""
        return sum(prod(shape) for shape in self.shapes.values())

    def parameters(self, which: str, frame: int) -> dict[str, NDArray[Any]]:
        """Read the parameters, ``best`` or ``last``, by name, for a network that takes and gives `frame` samples.

        Raises
        ------
        RunError
            The file cannot be read, or its shapes are not those of the run's network (FACTS section 4).
        """
        path = self.best_parameters if which == "best" else self.last_parameters
        found = read_tensors(path)
        due = expected_shapes(cell_of(found), frame, self.of("model.hidden"), layers_of(found))
        odd = [name for name, shape in due.items() if name not in found or found[name].shape != shape]
        if odd:
            shape = found[odd[0]].shape if odd[0] in found else None
            raise RunError(f"{path}: {odd[0]} has the shape {shape}, not {due[odd[0]]}; train again")
        return found

    def sha256(self, path: Path) -> str:
        """Give a file's SHA-256, computed once in an audit."""
        if path not in self._digests:
            self._digests[path] = sha256_of(path)
        return self._digests[path]

    def altered(self, kind: str) -> str:
        """Say how a kind of file is not what the run wrote, or nothing.

        Parameters
        ----------
        kind : {'metrics', 'parameters', 'best', 'generated'}
            Which: each has its digest on record in another file of the run.

        Returns
        -------
        str
            Empty where file and digest agree; else one sentence naming both, or what is missing or cut short.

        Raises
        ------
        UnreadableError
            The system does not give one of the two, so that nothing can be said of it.
        """
        try:
            if kind == "metrics":
                path, recorded = self.path("metrics.jsonl"), self.summary["metrics_sha256"]
            elif kind == "parameters":
                path, recorded = self.last_parameters, self.summary["parameters_sha256"]
            elif kind == "best":
                path, recorded = self.best_parameters, self.summary["best"]["sha256"]
            else:
                path, recorded = self.path("generated.wav"), self.generated["sha256"]
            found = self.sha256(path)
        except UnreadableError:
            raise
        except RunError as error:
            return str(error)
        if found == recorded:
            return ""
        return f"{path.name} was altered since (sha256 {found[:12]}…, on record {str(recorded)[:12]}…)"


def tensor_shapes(path: Path) -> Shapes:
    """Read names and shapes from the header of a safetensors file.

    Raises
    ------
    RunError, UnreadableError
        It is missing, cut short or no such file; the system does not give it.
    """
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a safetensors file; raises as `tensor_shapes`."""
    with _opened(path) as file:
        return {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118


def _opened(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    with reading_named(path), path.open("rb"):
        pass  # safetensors has one word for whatever the system says
    try:
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} is cut short or altered ({error}); train again") from error


def _read(path: Path, format: str, fields: Fields) -> dict[str, Any]:
    found = read_json(path, format, 1)
    require(found, fields, str(path))
    return found
