"""Read files, folders and hub data sets into one shape. Knows no model; imports no torch."""

from understudy.data.dataset import Dataset, Split, save_dataset
from understudy.data.load import load_dataset

__all__ = ["Dataset", "Split", "load_dataset", "save_dataset"]
