"""The section `template` of an analysis file: how the background template is made."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

from pydantic import Discriminator, Field, Tag

from cathode.config.components import ClassifierConfig, GeneratorConfig, ObservablesConfig
from cathode.config.messages import ONE, SEVERAL
from cathode.config.section import Section
from cathode.template.reweighting_options import ReweightingOptions

if TYPE_CHECKING:
    from cathode.template.reweighting import Reweighting


class ReweightingConfig(Section, ReweightingOptions):
    """How the template is corrected by what a classifier still finds in the sidebands."""

    classifier: ClassifierConfig = Field(
        default_factory=lambda: ClassifierConfig(), description="what tells data from template in the sidebands"
    )
    observables: ObservablesConfig | None = Field(default=None, description="null sees what the search sees")

    def build(self) -> Reweighting:
        """What `cathode.Search` takes."""
        from cathode.template.reweighting import Reweighting

        observables = None if self.observables is None else self.observables.build()
        numbers = {each.name: getattr(self, each.name) for each in fields(ReweightingOptions)}
        return Reweighting(classifier=self.classifier.build(), observables=observables, **numbers)


#: One section or a list of them, told apart before they are checked: else an error in one would be two errors.
Reweightings = Annotated[
    Annotated[ReweightingConfig, Tag(ONE)]
    | Annotated[tuple[ReweightingConfig, ...], Tag(SEVERAL), Field(min_length=1)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list | tuple) else ONE),
]


class TemplateConfig(Section):
    """How the background template is made."""

    generator: GeneratorConfig = Field(
        default_factory=lambda: GeneratorConfig(), description="what learns the sidebands and draws in the window"
    )
    oversampling: float = Field(default=4, gt=0, description="template events per event of the signal region")
    reweighting: Reweightings | None = Field(
        default=None, description="null leaves the template as it is drawn; a list is applied from first to last"
    )

    def reweightings(self) -> dict[str, ReweightingConfig]:
        """Path in this section -> reweighting, in their order."""
        found = self.reweighting
        if isinstance(found, tuple):
            return {f"reweighting.{number}": each for number, each in enumerate(found)}
        return {} if found is None else {"reweighting": found}
