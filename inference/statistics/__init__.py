"""What the model was used for: counts, percentiles, and how they are drawn."""
