"""pybdm as the oracle; its import warns about pkg_resources, which is not ours to mend."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pybdm import BDM, PartitionCorrelated, PartitionIgnore, PartitionRecursive
    from pybdm import options as pybdm_options

pybdm_options.set(raise_if_zero=False)
PARTITIONS = {"ignore": PartitionIgnore, "recursive": PartitionRecursive, "correlated": PartitionCorrelated}


def pybdm(axes: int, boundary: str = "ignore", shape: tuple[int, ...] | None = None) -> BDM:
    return BDM(ndim=axes, partition=PARTITIONS[boundary], shape=shape)
