"""What every room stands on: errors, names, configuration, randomness, nested structures."""
