"""The `gateway` command, which lets go within a moment of the signal to stop, whatever holds it up.

python -m tests.cli.impatient COMMAND...
"""

import sys

from gateway.cli.main import main
from gateway.system import stopping

if __name__ == "__main__":
    setattr(stopping, "LET_GO_S", 0.1)  # noqa: B010 - it is final for everybody else
    sys.exit(main())
