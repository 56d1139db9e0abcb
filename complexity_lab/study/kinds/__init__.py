"""The kinds of studies, one file each; a new one is found by being here."""
