"""What everything may know: task and Predictor, items, spans, configs, progress, whole-or-absent folders."""
