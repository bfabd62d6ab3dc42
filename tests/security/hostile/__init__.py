"""Files that mean harm, and the watchman that says whether they did any."""
