"""Read files, folders and hub data sets into one shape. Knows no model; imports no torch."""
