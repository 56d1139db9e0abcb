"""What can be said of a study of rounding."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from complexity_lab.statistics.results import Results
from complexity_lab.statistics.rounded_layers import (
    LayerRank,
    Prediction,
    layer_losses,
    layer_ranks,
    layers_that_break,
    rank_predictions,
    tried_as_suggested,
)
from complexity_lab.statistics.rounding import (
    comparisons,
    losses,
    margin_by_validation,
    means_over_seeds,
    model_profiles,
    needs,
    predictions,
)
from complexity_lab.tables import columns as c


class RoundingResults(Results):
    """Trained networks whose weights were rounded."""

    RECORDS = "networks"

    @property
    def networks(self) -> pd.DataFrame:
        """One row per network: an architecture and the seed of its training."""
        return self.table("networks")

    @property
    def roundings(self) -> pd.DataFrame:
        """What networks get right after rounding."""
        return self.table("roundings")

    @property
    def layers(self) -> pd.DataFrame:
        """What the planes of each tensor suggest."""
        return self.table("layers")

    @property
    def sensitivities(self) -> pd.DataFrame:
        """What rounding one tensor does to the network."""
        return self.table("sensitivities")

    @cached_property
    def losses(self) -> pd.DataFrame:
        """Roundings of networks that ended well, with what they lose, see ``rounding.losses``."""
        return losses(self.networks, self.roundings)

    @cached_property
    def architectures(self) -> list[str]:
        """Architectures with a finished network, in the order of the plan, those it does not name last."""
        found = list(dict.fromkeys(self.losses[c.ARCHITECTURE]))
        planned = [str(name) for name in self.plan.get("models", ())]
        return [*(name for name in planned if name in found), *(name for name in found if name not in planned)]

    @cached_property
    def references(self) -> list[str]:
        """References in the order of the plan; the first is the one that a single checkpoint allows."""
        return [str(name) for name in self.plan.get("references", self.layers[c.REFERENCE].unique())]

    @cached_property
    def means_over_seeds(self) -> pd.DataFrame:
        """One row per network and way of rounding, see ``rounding.means_over_seeds``."""
        return means_over_seeds(self.losses)

    @cached_property
    def margins(self) -> dict[str, int]:
        """The margin of each reference that validation images ask for, see ``rounding.margin_by_validation``."""
        return {name: margin_by_validation(self.means_over_seeds, name) for name in self.references}

    @cached_property
    def needs(self) -> pd.DataFrame:
        """The fewest uniform bits of each network by test images, see ``rounding.needs``."""
        return needs(self.losses)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Suggested and needed bits of every margin, see ``rounding.predictions``."""
        return predictions(self.losses)

    def rank_predictions(self, margin: int) -> list[Prediction]:
        """Return how well suggestions of a margin rank networks, see ``rounded_layers.rank_predictions``."""
        return rank_predictions(self.predictions.loc[self.predictions[c.MARGIN] == margin])

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Suggestions less other methods, see ``rounding.comparisons``."""
        return comparisons(self.means_over_seeds)

    @cached_property
    def model_profiles(self) -> pd.DataFrame:
        """Planes of whole networks, see ``rounding.model_profiles``."""
        return model_profiles(self.layers)

    @cached_property
    def layer_losses(self) -> pd.DataFrame:
        """What rounding one layer costs, see ``rounded_layers.layer_losses``."""
        return layer_losses(self.layers, self.sensitivities, self.losses)

    def _of(self, reference: str) -> pd.DataFrame:
        return self.layer_losses.loc[self.layer_losses[c.REFERENCE] == reference]

    def layer_ranks(self, reference: str) -> list[LayerRank]:
        """Return how well planes, errors and sizes rank layers, see ``rounded_layers.layer_ranks``."""
        return layer_ranks(self._of(reference))

    def layers_that_break(self, reference: str, margin: int) -> pd.DataFrame:
        """Return layers whose suggestion cost too much, see ``rounded_layers.layers_that_break``."""
        return layers_that_break(self._of(reference), margin)

    def share_that_break(self, reference: str, margin: int) -> tuple[int, int]:
        """Return how many layers ``layers_that_break`` has, and how many were tried."""
        return len(self.layers_that_break(reference, margin)), len(tried_as_suggested(self._of(reference), margin))
