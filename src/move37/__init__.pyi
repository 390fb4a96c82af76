from move37.api import Found as Found
from move37.api import Outcome as Outcome
from move37.api import Planned as Planned
from move37.api import Run as Run
from move37.api import compare as compare
from move37.api import open_run as open_run
from move37.api import plan as plan
from move37.api import verify as verify

__version__: str
