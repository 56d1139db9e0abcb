"""A study of rounding whose numbers are known, without rounding anything."""

from collections.abc import Iterator
from typing import Any

from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.tables.rows import Network, RoundedLayer, Rounding, Row, Sensitivity
from tests.synthetic import Study

MODELS = {"mlp_12": 37_006, "resnet8_w6": 10_960, "tinynet_e": 774_782, "vit_d96x4": 522_922}
NEED = {"mlp_12": 3, "resnet8_w6": 5, "tinynet_e": 4, "vit_d96x4": 2}  # uniform bits from which on nothing is lost
SHOWN = {"mlp_12": 2, "resnet8_w6": 1, "tinynet_e": 0, "vit_d96x4": 0}
BITS, MARGINS, REFERENCES = 8, (0, 1, 2), ("shuffle", "random")
FLOAT = 0.95


def scores(model: str, bits: float) -> dict[str, Any]:
    """A tenth of the images is lost per missing bit."""
    right = FLOAT - 0.1 * max(0.0, NEED[model] - bits)
    return {
        **{"validation_accuracy": right, "validation_loss": 1 - right, "validation_images": 180},
        **{"test_accuracy": right, "test_loss": 1 - right, "test_images": 360},
    }


def roundings(model: str, facts: dict[str, Any]) -> Iterator[Rounding]:
    """Return what a network gets right."""
    common = facts | {"tensors": 3, "weights": 1000, "parameters": MODELS[model], "family": model.partition("_")[0]}
    yield Rounding(**common, method="float", mean_bits=32.0, **scores(model, 32))
    for bits in range(1, BITS + 1):
        yield Rounding(**common, method="uniform", bits=bits, mean_bits=float(bits), **scores(model, bits))
    for reference in REFERENCES:
        for margin in MARGINS:
            about = common | {"reference": reference, "margin": margin, "suggested_weights": 900}
            ours = max(1, SHOWN[model]) + margin
            for method, mean in (("suggested", ours), ("by_error", ours + 0.5), ("flat", 1 + margin), ("bare", ours)):
                yield Rounding(**about, method=method, mean_bits=float(mean), **scores(model, mean))


def layers(model: str, facts: dict[str, Any]) -> Iterator[RoundedLayer]:
    """Return what the planes of each tensor suggest; the last is too small."""
    for reference in REFERENCES:
        for place in range(5):
            suggested = place < 4
            percent = [100.0] * (BITS - SHOWN[model]) + [80.0] * SHOWN[model]
            yield RoundedLayer(
                **facts,
                **{"tensor": f"{place}.weight", "place": place, "kind": "matrix", "shape": "10x20"},
                **{"weights": 200 * (1 + place), "reference": reference, "profile": [each * 10 for each in percent]},
                **{"percent": percent, "t": [0.0] * BITS, "suggested": suggested, "bare_bits": 1},
                shown=SHOWN[model] + place % 2 if suggested else None,
                reason=None if suggested else "too small",
            )


def sensitivities(facts: dict[str, Any]) -> Iterator[Sensitivity]:
    """Return what one tensor costs: the later the layer, the more."""
    for place in range(5):
        for bits in range(1, BITS + 1):
            hurt = 0.01 * place * max(0, 3 - bits)
            seen = {"validation_accuracy": FLOAT - hurt, "validation_loss": 1 - FLOAT + hurt} if bits <= 4 else {}
            about = {"tensor": f"{place}.weight", "weights": 200 * (1 + place), "bits": bits}
            yield Sensitivity(**facts, **about, relative_error=(1 + place) * 4.0**-bits, **seen)


def rounding_study(
    models: tuple[str, ...] = tuple(MODELS), seeds: tuple[int, ...] = (0, 1), failed: tuple[str, ...] = ()
) -> Study:
    """Return a study; networks named in ``failed`` ended in an error."""
    rows: list[Row] = []
    for model in models:
        for seed in seeds:
            facts = {"model": f"{model}-seed{seed}", "architecture": model, "seed": seed}
            about = facts | {"family": model.partition("_")[0], "parameters": MODELS[model], "seconds": 1.0}
            if facts["model"] in failed:
                bad = {"status": "failed", "error_type": "WeightsError", "error": "the loss is nan"}
                rows.append(Network(**about, **bad))
                continue
            rows += [Network(**about), *layers(model, facts), *sensitivities(facts), *roundings(model, facts)]
    plan = {"models": list(MODELS), "seeds": list(seeds), "margins": list(MARGINS), "references": list(REFERENCES)}
    return Study(kind="rounding", name="ptq", rows=rows, plan=plan | {"bits": BITS}, source="rounding to nearest")


def rounding(**choices: Any) -> RoundingResults:
    """Return the results of a study."""
    results: RoundingResults = rounding_study(**choices).results
    return results
