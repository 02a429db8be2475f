"""Other libraries' metrics as scorers: `scorers=[pellucid.adapters.ragas(Faithfulness(llm=…))]`.

The other way, every judge of ours is a plain callable: `judge(inputs=…, output=…)` returns a
Score that reads as a number, and `judge.render(…)` the prompt.
"""

from pellucid.evals.adapters.autoevals import autoevals
from pellucid.evals.adapters.deepeval import deepeval
from pellucid.evals.adapters.giskard import giskard
from pellucid.evals.adapters.phoenix import phoenix
from pellucid.evals.adapters.ragas import ragas
from pellucid.evals.adapters.trulens import trulens

__all__ = ["autoevals", "deepeval", "giskard", "phoenix", "ragas", "trulens"]
