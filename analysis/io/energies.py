"""Which branches hold energies, by their names: the words of ROOT ntuples, and an honest "unclear" for the rest."""

from __future__ import annotations

import re
from enum import Enum


class Kind(Enum):
    """What a name says of the values of a branch."""

    ENERGY = "energy"
    PURE = "pure number"
    UNCLEAR = "unclear"
    OTHER = "other"


# Wherever one of these stands in a name, the values have no dimension: areas, widths and shares of momenta.
_SHARES = {"area", "width", "frac", "fraction", "ratio", "num", "count", "multiplicity"}
# Isolation cones: energies, whatever working point follows in the name.
_CONES = re.compile(r"(topo|neflow)?(etcone|etisol|isol)\d*(pt\d*)?|pt(var)?cone\d*|neflowisol\d*")
_ENERGY = re.compile(
    r"(pt|et|ht|mt|mht|met|sumet|sumpt|px|py|pz|mpx|mpy|mex|mey|e|energy|m|mass|momentum|msd|msoftdrop|mpruned|mtrimmed"
    r"|split\d\d|mjj|mll|mbb|mgg|myy|mtt|minv|mvis|ptjj|ptll|ecf1|energypersampling)(jj|jet|j)?\d*"
)
_MOMENTUM = re.compile(r"(pt|et)(jet|j)?\d*")
_MASS = re.compile(r"(m|mass)")
_PURE = re.compile(
    r"(eta|phi|theta|rapidity|costheta|deta|dphi|dr|deltar|deltaeta|deltaphi|tau|wta|charge|index|idx|id|pdgid|number"
    r"|run|lumi|block|lumiblock|luminosityblock|event|entry|label|truth|class|category|flag|status|type|weights?|score|tagger"
    r"|discriminant|btag|jvt|chi|ndf|ndof|dof|prob|pass|trigger|hlt|nconstituents|constituents|npvs?|emf|emfrac"
    r"|ip\dd|dxy|dz|d0|z0|x0)\d*"
)
# What may follow the quantity itself: jet1_pt_corr, m_jj, FatJet_mass_nominal, pt_0.
_QUALIFIERS = re.compile(
    r"\d+|jj|ll|bb|gg|yy|tt|ww|zz|vis|inv|miss|lead|leading|sub|sublead|subleading|first|second|raw|corr|corrected|nom"
    r"|nominal|reco|gen|true|up|down|central|gev|mev|tev"
)
# Traces of an energy in a name that is none of the above: pt ratios, errors of masses, inverse momenta, their powers.
_TRACES = re.compile(r"mass|energy|momentum|cone|sumet|sumpt|ecf|qoverp|isol|(^|_)rho|ptrel|met|gev|mev|tev")


def kind_of(identifier: str) -> Kind:
    """What the name of a branch says.

    ENERGY where its last word, or an isolation cone in it, is the usual name of an energy, a momentum or a mass
    (FatJet_pt, jet1_mass, MET_sumet, pxj1, leadJetPt, Electrons_topoetcone20, m_jj); PURE where the name is that of a
    quantity without such a dimension (angles, τ_N, areas, fractions, counts, labels, lengths); UNCLEAR where words of
    both, or an energy among words that change its meaning, occur (ptErr, qOverP, massRatio is PURE); OTHER where
    nothing speaks of an energy.

    >>> kind_of("FatJet_pt").value, kind_of("Jets_ActiveArea4vec_pt").value, kind_of("pt_err").value
    ('energy', 'pure number', 'unclear')
    """
    words = _words(identifier)
    bare = [word.rstrip("0123456789") for word in words]
    variable = identifier.rsplit("_", 1)[-1]
    if _SHARES & set(bare) or re.match(r"n[A-Z]|is[A-Z]|has[A-Z]|pass[A-Z]", variable) or words[:1] in (["n"], ["is"]):
        return Kind.PURE
    if any(_CONES.fullmatch(word) for word in words):
        return Kind.ENERGY
    while len(words) > 1 and _QUALIFIERS.fullmatch(words[-1]):
        words.pop()
    last = words[-1] if words else ""
    tail = identifier.rstrip("_").rsplit("_", 1)[-1].lower()
    if any(_PURE.fullmatch(word) for word in (last, tail)):
        return Kind.PURE
    if any(_ENERGY.fullmatch(word) for word in (last, tail)):
        return Kind.ENERGY
    if _TRACES.search(identifier.lower()) or any(_ENERGY.fullmatch(word) for word in words if len(word) > 1):
        return Kind.UNCLEAR
    return Kind.OTHER


def is_momentum(identifier: str) -> bool:
    """Whether the name is that of a transverse momentum or energy."""
    return _last_is(_MOMENTUM, identifier)


def is_mass(identifier: str) -> bool:
    """Whether the name is that of a mass."""
    return _last_is(_MASS, identifier)


def _last_is(pattern: re.Pattern[str], identifier: str) -> bool:
    tail = identifier.rstrip("_").rsplit("_", 1)[-1]
    return any(pattern.fullmatch(word) for word in (tail.lower(), *_words(tail)[-1:]))


def _words(identifier: str) -> list[str]:
    """Words of snake_case and camelCase, in lower case."""
    words: list[str] = []
    for part in identifier.split("_"):
        found = re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", part)
        words += [word.lower() for word in found]
    return words
