"""What all observables must satisfy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.events import Events
from cathode.observables import Observables, create
from cathode.registry import OBSERVABLES
from cathode.runtime.specification import specification
from cathode.template.drawing import Template
from generators.testing.contract import Check, Contract, expect, run_all


class ObservablesContract(Contract):
    """`make` gives observables, `events` what they are computed of."""

    def __init__(self, make: Callable[[], Observables], events: Events) -> None:
        self.make, self.events = make, events

    def check_specification_makes_the_same_again(self) -> None:
        """Kind and fields are all there is, and the kind is known."""
        made = self.make()
        known = OBSERVABLES.resolve(made.kind) if made.kind in OBSERVABLES else None
        expect(known is type(made), f"kind {made.kind!r} must lead to this class; is it registered?")
        expect(create(specification(made)) == made, "Fields must be plain values that make the same observables again.")

    def check_every_observable_has_a_name_and_is_finite(self) -> None:
        """(N, *event) becomes (N, observables), each with a name of its own."""
        made, events = self.make(), self.events
        found, names = np.asarray(made.compute(events.x)), made.names(events.columns)
        due = (len(events), len(names))
        expect(found.shape[:1] + found.shape[-1:] == due, f"compute() must give {due}; it gives {found.shape}.")
        expect(len(set(names)) == len(names), f"Every name must be there once; they are {names}.")
        expect(np.isfinite(found).all(), "An observable is not finite.")

    def check_data_and_template_go_through_the_same_function(self) -> None:
        """The same rows give the same observables, up to the single precision of a template."""
        made, events = self.make(), self.events
        seen = made.of_events(events).x.astype(np.float32)
        drawn = made.of_template(Template(events.x, events.mass)).x
        expect(np.array_equal(seen, drawn), "Observables of data and of a template with the same rows differ.")

    def check_nothing_of_an_event_depends_on_another(self) -> None:
        """Events in another order, and a few of them alone, keep their observables bit for bit."""
        made, x = self.make(), self.events.x
        whole = made.compute(x)
        order = np.random.default_rng(3).permutation(len(x))
        expect(np.array_equal(whole[order], made.compute(x[order])), "The order of the events changed observables.")
        expect(np.array_equal(whole[:7], made.compute(x[:7])), "Observables depend on which other events there are.")
        expect(len(made.compute(x[:0])) == 0, "Of no events no observables must come.")

    def check_events_are_not_changed(self) -> None:
        """What was read stays as it was, and a second call gives the same."""
        made, x = self.make(), self.events.x.copy()
        first = made.compute(x).copy()
        expect(np.array_equal(x, self.events.x), "compute() changed the events.")
        expect(np.array_equal(first, made.compute(x)), "A second call gave something else.")


def observables_checks(make: Callable[[], Observables], events: Events) -> list[Check]:
    """What observables that `make` gives must satisfy, of `events` such as a search reads: ten or more of them."""
    return ObservablesContract(make, events).checks()


def check_observables(make: Callable[[], Observables], events: Events) -> None:
    """Run all of `observables_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(observables_checks(make, events))
