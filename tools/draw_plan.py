"""Draw docs/capture-plan.svg, the plan of a small captured step.

python tools/draw_plan.py            # write
python tools/draw_plan.py --check    # fail if the committed picture is another
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import backprop_ext as torch

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "capture-plan.svg"


def main() -> int:
    """Write the picture, or compare it."""
    text = picture()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(
        "docs/capture-plan.svg shows another plan; run python tools/draw_plan.py", file=sys.stderr
    )
    return 1


def picture() -> str:
    """The plan of a step of a perceptron with Adam."""
    nn: Any = torch.nn
    model = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters())

    @torch.capture
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        error = model(x).sigmoid() - y
        loss = (error * error).mean()
        loss.backward()
        optimizer.step()
        return loss

    step(torch.rand(64, 64), torch.rand(64, 10))
    return str(step.draw())


if __name__ == "__main__":
    sys.exit(main())
