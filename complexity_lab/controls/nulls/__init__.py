"""One null model per file, each called ``NULL``; ``controls.registry`` finds them."""
