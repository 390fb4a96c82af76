"""Runs programs that nobody trusts, and their tests, apart from each other and from the machine.

    host.py        outside: starts bubblewrap, hands programs in, keeps the wall clock, replaces what is tainted
    supervisor.py  inside, process 1: forks one confined child per program, kills and reaps whatever it leaves
    program.py     inside, in that child: runs the program, answers calls with data
    examiner.py    inside another sandbox: runs the tests, in which the program's functions are calls across a socket
    wire.py        how values cross: JSON for plain data, a number for everything else
    syscalls.py    the filter of system calls that every child gets

A program and its tests share no memory, no file and no process table. What reaches the tests is data, so an object
that claims to equal everything is a handle that equals nothing; what reaches the program is the arguments of a call,
never what its result will be compared with. The folder is mounted into the sandboxes, where move37 is not
installed: all but host.py import the standard library and each other only.
"""
