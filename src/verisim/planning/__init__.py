"""From a data set to untrained models: the choices that nobody should have to make."""

from verisim.planning.configuration import Configuration
from verisim.planning.planner import make_plan, plan
from verisim.planning.plans import Plan, read_plan

__all__ = ["Configuration", "Plan", "make_plan", "plan", "read_plan"]
