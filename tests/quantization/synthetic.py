"""A study of rounding on disk whose numbers are known, without rounding anything."""

import json

from complexity_lab.tables.quantization import write_network

MODELS = {"mlp_12": 37_006, "resnet8_w6": 10_960, "tinynet_e": 774_782, "vit_d96x4": 522_922}
NEED = {"mlp_12": 3, "resnet8_w6": 5, "tinynet_e": 4, "vit_d96x4": 2}  # uniform bits from which on nothing is lost
SHOWN = {"mlp_12": 2, "resnet8_w6": 1, "tinynet_e": 0, "vit_d96x4": 0}
BITS, MARGINS, REFERENCES = 8, (0, 1, 2), ("shuffle", "random")
FLOAT = 0.95


def lost(model, bits):
    """A tenth of the images per missing bit."""
    return 0.1 * max(0.0, NEED[model] - bits)


def scores(model, bits):
    right = FLOAT - lost(model, bits)
    return {
        **{"validation_accuracy": right, "validation_loss": 1 - right, "validation_images": 180},
        **{"test_accuracy": right, "test_loss": 1 - right, "test_images": 360},
    }


def accuracies(model, facts):
    common = facts | {"tensors": 3, "weights": 1000, "parameters": MODELS[model], "family": model.partition("_")[0]}
    common |= {"status": "ok", "seconds": 1.0}
    yield common | {"method": "float", "mean_bits": 32.0} | scores(model, 32)
    for bits in range(1, BITS + 1):
        yield common | {"method": "uniform", "bits": bits, "mean_bits": float(bits)} | scores(model, bits)
    for reference in REFERENCES:
        for margin in MARGINS:
            about = common | {"reference": reference, "margin": margin, "suggested_weights": 900}
            ours = max(1, SHOWN[model]) + margin
            for method, bits in (("suggested", ours), ("by_error", ours + 0.5), ("flat", 1 + margin), ("bare", ours)):
                yield about | {"method": method, "mean_bits": float(bits)} | scores(model, bits)


def layers(model, facts):
    for reference in REFERENCES:
        for place in range(5):
            told = place < 4
            percent = [100.0] * (BITS - SHOWN[model]) + [80.0] * SHOWN[model]
            yield facts | {
                **{
                    "tensor": f"{place}.weight",
                    "place": place,
                    "kind": "matrix",
                    "shape": "10x20",
                    "weights": 200 * (1 + place),
                },
                **{"reference": reference, "profile": [percent[plane] * 10 for plane in range(BITS)]},
                **{"percent": percent, "t": [0.0] * BITS, "shown": SHOWN[model] + place % 2 if told else None},
                **{"suggested": told, "reason": None if told else "too small", "bare_bits": 1},
            }


def sensitivities(model, facts):
    for place in range(5):
        for bits in range(1, BITS + 1):
            row = {"tensor": f"{place}.weight", "weights": 200 * (1 + place), "bits": bits}
            row["relative_error"] = (1 + place) * 4.0**-bits
            if bits <= 4:  # the later the layer, the more it costs
                hurt = 0.01 * place * max(0, 3 - bits)
                row |= {"validation_accuracy": FLOAT - hurt, "validation_loss": 1 - FLOAT + hurt}
            yield facts | row


def write_study(directory, models=tuple(MODELS), seeds=(0, 1), failed=()):
    """Write manifest and tables; networks named in ``failed`` ended in an error."""
    directory.mkdir(parents=True, exist_ok=True)
    plan = {
        **{"kind": "quantization", "models": list(MODELS), "seeds": list(seeds), "margins": list(MARGINS)},
        **{"references": list(REFERENCES), "bits": BITS},
    }
    versions = {"complexity-lab": "0", "torch": "0"}
    manifest = {"title": "Title", "question": "Question?", "source": "rounding to nearest", "plan": plan}
    manifest |= {"plan_hash": "0", "versions": versions, "created": "now", "command": "complexity-lab study run x.toml"}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    for model in models:
        for seed in seeds:
            network = f"{model}-seed{seed}"
            facts = {"network": network, "model": model, "seed": seed}
            if network in failed:
                bad = facts | {"status": "failed", "error_type": "WeightsError", "error": "the loss is nan"}
                write_network(directory, network, {"accuracies": [bad]}, {})
                continue
            rows = {
                "layers": list(layers(model, facts)),
                "sensitivities": list(sensitivities(model, facts)),
                "accuracies": list(accuracies(model, facts)),
            }
            write_network(directory, network, rows, {})
    return directory
