"""move37: does RLVR give a language model moves it did not have, or does it only play known moves more often?

Start reading at `pipeline.py`. Importing this package loads no torch and no plotting library.
"""

__version__ = "0.1.0"
