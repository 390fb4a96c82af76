"""A program that looks at all of its world that another might have changed, and tests that it must fail.

It says what it finds in the name of an exception: so the tests must fail, and for exactly that reason, which tests
that were made to pass everything, or to fail everything, would not.
"""

CANARY = """
import hashlib, os, resource, signal, stat, sys, tempfile, threading

def state():
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT")}
    limits.pop("RLIMIT_CPU")
    folder = os.stat(".")
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    thread.join()
    return [
        sorted(limits.items()), os.getpid(), os.getuid(), os.getcwd(), os.listdir("."), os.listxattr("."),
        stat.filemode(folder.st_mode), folder.st_nlink, os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0),
        len(os.sched_getaffinity(0)), os.umask(0o22), sorted(os.environ.items()), sorted(signal.pthread_sigmask(0, [])),
        [signal.getsignal(number) is signal.SIG_IGN for number in range(1, 32)], sys.getrecursionlimit(),
        sorted(os.listdir("/")), sorted(os.listdir("/dev")), os.uname().nodename,
    ]

def look():
    raise type("State" + hashlib.sha256(repr(state()).encode()).hexdigest()[:32], (Exception,), {})
"""
CANARY_TESTS = {
    "head": "",
    "once": "",
    "setup": "",
    "tests": ["assert look() == 0"],
    "reference": "",
    "entry_point": "look",
}
