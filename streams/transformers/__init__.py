"""What may be done to a mini-batch on its way, as a Fuel user knows it.

::

    stream = DataStream(windows, ShuffledScheme(len(windows)))
    quieter = Cast(ScaleAndShift(stream, scale=0.5, shift=0.0), "float64")
    for inputs, targets in quieter.get_epoch_iterator():
        ...

A transformer is a stream around a stream: it has the same sources, epochs, ranks and exact state, so that
transformers stand on transformers. It works in the thread of the consumer, behind the prefetch of the stream.
"""

from streams.transformers.base import Transformer
from streams.transformers.mapping import Mapping
from streams.transformers.merge import Merge
from streams.transformers.protocol import Batch, Stream
from streams.transformers.rename import Rename
from streams.transformers.sourcewise import Cast, ScaleAndShift, SourcewiseTransformer

__all__ = [
    "Batch",
    "Cast",
    "Mapping",
    "Merge",
    "Rename",
    "ScaleAndShift",
    "SourcewiseTransformer",
    "Stream",
    "Transformer",
]
