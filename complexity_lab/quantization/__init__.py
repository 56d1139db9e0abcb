"""From plane profiles to bits per layer, and what rounding after training does to accuracy."""
