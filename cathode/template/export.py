"""A trained template for programs without Python: what `cathode export` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cathode.errors import RunFolderError
from cathode.runtime.run_folder import TEMPLATE

_FILES = {"sampler.onnx", "log_prob.onnx"}


@dataclass(frozen=True)
class Exported:
    """The files of an export by what they compute, and the reasons of what could not be exported."""

    files: dict[str, Path]
    refused: dict[str, str]


def export_onnx(folder: Path | str, output: Path | str) -> Exported:
    """Write sampler and log-density of a saved generator to sampler.onnx and log_prob.onnx in the folder `output`.

    `folder` is what `train_template`, a search or `generators.save` wrote.

    Raises
    ------
    RunFolderError
        If there is no generator in it.
    OutputError
        If `output` lies in `folder`, or holds anything else than such files; before anything is read.
    generators.errors.ExportError, generators.errors.MissingExtraError
        If neither can be exported, or the extra `onnx` is not installed.
    """
    from analysis.outputs import check_output_folder, refuse_links_out
    from generators.artifact import load
    from generators.errors import ExportError
    from generators.export.onnx import export_log_prob, export_sampler
    from generators.model_folder import CARD

    place = next((path for path in (Path(folder), Path(folder) / TEMPLATE) if (path / CARD).exists()), None)
    if place is None:
        raise RunFolderError(
            f"{folder}: no saved generator; name a folder that `cathode train` or `cathode run` wrote."
        )
    refuse_links_out(folder)
    check_output_folder(output, inputs=[folder], ours=_harmless)
    generator: Any = load(place)
    files, refused = {}, {}
    for name, write in (("sampler", export_sampler), ("log_prob", export_log_prob)):
        try:
            files[name] = write(generator, Path(output) / f"{name}.onnx")
        except ExportError as error:
            refused[name] = str(error)
    if not files:
        raise ExportError(" ".join(refused.values()))
    return Exported(files, refused)


def _harmless(entry: Path) -> bool:
    """Whether something in the output folder is an export of before, or a log."""
    from analysis.outputs import is_log

    return (entry.name in _FILES and entry.is_file()) or is_log(entry)
