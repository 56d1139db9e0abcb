"""A digits network that trains at once."""

from dataclasses import replace

from complexity_lab.zoo.digits_networks import DigitsNetwork, digits_networks

QUICK = DigitsNetwork(
    architecture="mlp_quick",
    family="mlp",
    constructor="complexity_lab.momos.models:MLP",
    options=(("hidden", (4,)),),
    parameters=12_342,
    recipe=replace(digits_networks()[0].recipe, epochs=1, learning_rate=1e-3, batch_size=64, shift=2),
)
