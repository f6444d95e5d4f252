"""Scalars, histograms and texts for TensorBoard, by its own package: `pip install tensorboard`.

Source of the names: https://docs.pytorch.org/docs/stable/tensorboard.html
"""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from socket import gethostname
from time import time
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-not-found]
from tensorboard.compat.proto.summary_pb2 import (  # type: ignore[import-not-found]
    HistogramProto,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto  # type: ignore[import-not-found]
from tensorboard.compat.proto.tensor_shape_pb2 import (  # type: ignore[import-not-found]
    TensorShapeProto,
)
from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-not-found]
    EventFileWriter,
)

__all__ = ["SummaryWriter"]

_LEFT_OUT = (
    "add_audio", "add_custom_scalars", "add_custom_scalars_marginchart",
    "add_custom_scalars_multilinechart", "add_embedding", "add_figure", "add_graph",
    "add_histogram_raw", "add_image", "add_image_with_boxes", "add_images", "add_mesh",
    "add_onnx_graph", "add_pr_curve", "add_pr_curve_raw", "add_tensor", "add_video",
)  # fmt: skip


class SummaryWriter:
    """Writes an events file into a folder, runs/DATE_HOST by default; also a context.

    Pictures, sounds, graphs, embeddings and layouts are left out, with a warning.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        stamp = f"{datetime.now():%b%d_%H-%M-%S}_{gethostname()}{comment}"
        self.log_dir = str(log_dir or Path("runs") / stamp)
        self._options = (max_queue, flush_secs, filename_suffix)
        self._writers: dict[str, Any] = {}
        self._writer(self.log_dir)

    def _writer(self, folder: str) -> Any:
        if folder not in self._writers:
            self._writers[folder] = EventFileWriter(folder, *self._options)
        return self._writers[folder]

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def _add(self, step: Any, walltime: float | None, folder: str | None, **value: Any) -> None:
        event = Event(
            wall_time=time() if walltime is None else walltime,
            step=0 if step is None else int(step),
            summary=Summary(value=[Summary.Value(**value)]),
        )
        self._writer(folder or self.log_dir).add_event(event)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """One number of a curve."""
        self._add(global_step, walltime, None, tag=tag, simple_value=float(scalar_value))

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """One number of each of several curves, which are shown together."""
        for tag, value in tag_scalar_dict.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            self._add(global_step, walltime, folder, tag=main_tag, simple_value=float(value))

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = 64,
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How the elements of a tensor are spread."""
        data = np.asarray(getattr(values, "detach", lambda: values)(), dtype=np.float64).reshape(-1)
        counts, edges = np.histogram(data, bins="auto" if bins == "tensorflow" else bins)
        histo = HistogramProto(
            min=data.min(),
            max=data.max(),
            num=data.size,
            sum=data.sum(),
            sum_squares=data.dot(data),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._add(global_step, walltime, None, tag=tag, histo=histo)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """A text, in Markdown."""
        tensor = TensorProto(
            dtype="DT_STRING",
            string_val=[text_string.encode()],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        )
        plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        self._add(
            global_step, walltime, None, tag=f"{tag}/text_summary", tensor=tensor, metadata=plugin
        )

    def add_hparams(
        self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any], *args: Any, **options: Any
    ) -> None:
        """Settings as a text, and what came of them as scalars."""
        rows = "".join(f"|{name}|{value}|\n" for name, value in hparam_dict.items())
        self.add_text("hparams", f"|name|value|\n|-|-|\n{rows}")
        for tag, value in metric_dict.items():
            self.add_scalar(tag, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _LEFT_OUT:
            raise AttributeError(f"'SummaryWriter' object has no attribute {name!r}")
        warnings.warn(f"[SummaryWriter] {name} writes nothing here", stacklevel=2)
        return lambda *args, **options: None

    def flush(self) -> None:
        """Write what waits."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write what waits, and end."""
        for writer in self._writers.values():
            writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
