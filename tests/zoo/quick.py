"""A digits network that trains at once."""

from complexity_lab.training.profiles import read_recipes, recipe_of
from complexity_lab.zoo.digits_networks import DigitsNetwork

QUICK = DigitsNetwork(
    architecture="mlp_quick",
    family="mlp",
    constructor="complexity_lab.momos.models:MLP",
    options=(("hidden", (4,)),),
    parameters=12_342,
    recipe=recipe_of(read_recipes("digits")["common"], {"epochs": 1, "learning_rate": 1e-3, "batch_size": 64}),
)
