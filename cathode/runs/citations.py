"""What to cite for a run: the papers that the classes of its parts name, as BibTeX."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cathode.registry import ROLES
from cathode.result import SearchResult

#: arXiv identifier -> authors as BibTeX wants them, and title. Others are cited by their number alone.
KNOWN: Mapping[str, tuple[str, str]] = {
    "2109.00546": (
        "Hallin, Anna and Isaacson, Joshua and Kasieczka, Gregor and Krause, Claudius and Nachman, Benjamin and "
        "Quadfasel, Tobias and Schlaffer, Matthias and Shih, David and Sommerhalder, Manuel",
        "Classifying Anomalies THrough Outer Density Estimation (CATHODE)",
    ),
    "2309.13111": (
        "Finke, Thorben and Hein, Marie and Kasieczka, Gregor and Krämer, Michael and Mück, Alexander and "
        "Prangchaikul, Parada and Quadfasel, Tobias and Shih, David and Sommerhalder, Manuel",
        "Tree-based algorithms for weakly supervised anomaly detection",
    ),
    "2411.00085": (
        "Das, Ranit and Finke, Thorben and Hein, Marie and Kasieczka, Gregor and Krämer, Michael and "
        "Mück, Alexander and Shih, David",
        "Accurate and robust methods for direct background estimation in resonant anomaly detection",
    ),
    "1902.02634": (
        "Collins, Jack H. and Howe, Kiel and Nachman, Benjamin",
        "Extending the search for new resonances with machine learning",
    ),
    "2001.04990": ("Nachman, Benjamin and Shih, David", "Anomaly Detection with Density Estimation"),
    "2001.05001": (
        "Andreassen, Anders and Nachman, Benjamin and Shih, David",
        "Simulation Assisted Likelihood-free Anomaly Detection",
    ),
    "2312.11629": ("Das, Ranit and Kasieczka, Gregor and Shih, David", "Residual ANODE"),
    "2210.14924": (
        "Hallin, Anna and Kasieczka, Gregor and Quadfasel, Tobias and Shih, David and Sommerhalder, Manuel",
        "Resonant anomaly detection without background sculpting",
    ),
    "1906.04032": (
        "Durkan, Conor and Bekasov, Artur and Murray, Iain and Papamakarios, George",
        "Neural Spline Flows",
    ),
    "1705.07057": (
        "Papamakarios, George and Pavlakou, Theo and Murray, Iain",
        "Masked Autoregressive Flow for Density Estimation",
    ),
    "2210.02747": (
        "Lipman, Yaron and Chen, Ricky T. Q. and Ben-Hamu, Heli and Nickel, Maximilian and Le, Matt",
        "Flow Matching for Generative Modeling",
    ),
    "2310.06897": (
        "Buhmann, Erik and Ewen, Cedric and Kasieczka, Gregor and Mikuni, Vinicius and Nachman, Benjamin and "
        "Shih, David",
        "Full Phase Space Resonant Anomaly Detection",
    ),
    "2301.08128": (
        "Buhmann, Erik and Kasieczka, Gregor and Thaler, Jesse",
        "EPiC-GAN: Equivariant Point Cloud Generation for Particle Jets",
    ),
    "2106.05285": (
        "Krause, Claudius and Shih, David",
        "CaloFlow: Fast and Accurate Generation of Calorimeter Showers with Normalizing Flows",
    ),
    "1810.05165": (
        "Komiske, Patrick T. and Metodiev, Eric M. and Thaler, Jesse",
        "Energy Flow Networks: Deep Sets for Particle Jets",
    ),
    "physics/0702156": (
        "Cousins, Robert D. and Linnemann, James T. and Tucker, Jordan",
        "Evaluation of three methods for calculating statistical significance when incorporating a systematic "
        "uncertainty into a test of the background-only hypothesis for a Poisson process",
    ),
}

#: Those whose number, title and authors agree with a public text of the authors or of the field.
CHECKED = frozenset(
    {
        "2109.00546", "2001.04990", "2001.05001", "1906.04032", "1705.07057", "2210.02747", "2310.06897",
        "2301.08128", "2106.05285", "1810.05165", "physics/0702156",
    }
)  # fmt: skip
#: What stands above the entries; BibTeX skips what is in none.
_REMARK = "% Add the journals. An entry without a title has the number that the code names, and nothing else.\n"
#: What every search uses: trees of weak classifiers aside, the direct estimate and the p-value of an uncertain one.
ALWAYS = ("2411.00085", "physics/0702156")
_ARXIV = re.compile(r"\b(\d{4}\.\d{4,5}|[a-z-]+/\d{7})\b")


def papers(result: SearchResult) -> tuple[str, ...]:
    """ArXiv identifiers of what the run used: those that its classes name, and those of the estimate."""
    named = [number for part in _parts(result.method) for number in _ARXIV.findall(inspect.getdoc(part) or "")]
    return tuple(dict.fromkeys([*named, *ALWAYS]))


def bibtex(result: SearchResult) -> str:
    """BibTeX of the software and of `papers`; an entry without a title has only its number.

    Title and authors of entries that are not `CHECKED` are marked by a comment.
    """
    version = result.versions.get("cathode-hep", "")
    software = [
        "@software{cathode-hep,",
        "  author = {{The cathode-hep developers}},",
        "  title = {cathode-hep: resonant anomaly detection from ntuple to p-value},",
        f"  version = {{{version}}},",
        "}",
    ]
    return _REMARK + "\n" + "\n\n".join(["\n".join(software), *(_entry(number) for number in papers(result))]) + "\n"


def _entry(number: str) -> str:
    authors, title = KNOWN.get(number, ("", ""))
    fields = {"author": authors, "title": f"{{{title}}}" if title else "", "eprint": number, "archivePrefix": "arXiv"}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    unchecked = ["% not compared with the publication"] if title and number not in CHECKED else []
    return "\n".join([*unchecked, f"@misc{{arXiv:{number},", *lines, "}"])


def _parts(specification: Any) -> Iterator[type[Any]]:
    """Classes of a specification and of all parts in it."""
    if isinstance(specification, Mapping):
        kind = specification.get("kind")
        for table in ROLES.values():
            if kind in table:
                yield table.resolve(kind)
        for each in specification.values():
            yield from _parts(each)
    elif isinstance(specification, list | tuple):
        for each in specification:
            yield from _parts(each)
