"""Runs programs that nobody trusts, and their tests, apart from each other and from the machine.

  outside
    orders.py      the form of what a host orders of a supervisor, and of its reports
    host.py        one sandbox: starts it, hands programs in, hears how they ended
    bubblewrap.py  the command that makes one
    rooms.py       what is run in sandboxes: programs against tests, scripts, programs with tests; the canary
    canary.py      a program that looks whether its world is as it was
    activity.py    whether what runs is idle or starved
  inside
    supervisor.py  process 1: forks one confined child per program, kills and reaps whatever it leaves
    namespaces.py  the world of its own that every child gets
    syscalls.py    the filter of system calls that every child gets
    program.py     in that child: runs the program, answers calls with data
    scripts.py     what a script finds and leaves, as under a contest's judge
    cycles.py      ends programs that provably never end: in a state in which they were before,
    endless.py     or in a loop that nothing leaves, whatever comes, by its statements,
    expressions.py its expressions,
    possible.py    what these can give, as values known so far,
    integers.py    and as sets of integers
    examiner.py    in another sandbox: runs the tests
    ahead.py       calls that tests make in any case, read from their text
    remote.py      what the tests hold of a program: calls across a socket
    names.py       the names in a program's text
    needs.py       what tests need, read from their text
    together.py    runs a program and then its tests in one process, what they say can be forged
    pytests.py     runs a pytest file, in the tests' process or in the program's
    wire.py        how values cross: JSON for plain data, a number for everything else

A program and its tests share no memory, no file and no process table. What reaches the tests is data, so an object
that claims to equal everything is a handle that equals nothing; what reaches the program is the arguments of a call,
never what its result will be compared with. The folder is mounted into the sandboxes, where move37 is not
installed: the inside imports the standard library and each other only.
"""
