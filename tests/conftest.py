"""What every test shares."""

from hypothesis import settings

# how long one example takes depends on what else the machine does, so no example is too slow
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
