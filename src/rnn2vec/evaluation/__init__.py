"""What z knows: properties read from a frozen z, end-to-end baselines, and the page that says so."""
