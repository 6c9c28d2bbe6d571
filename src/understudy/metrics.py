from understudy.evaluation.metrics import *
from understudy.evaluation.metrics import score
