"""Judge any Predictor: metrics, intervals, agreement, calibration, and one clock for cost.

Imports no torch, knows no model, and selects none.
"""
