"""Rollouts and verification on a Ray cluster: engines and verifying processes are actors, this process alone writes.

    connection.py   the cluster, and what it has
    actors.py       what runs in an actor: a loaded engine, or processes that verify
    engine.py       the actors of one model, as one engine
    workforce.py    the verifying actors, as one workforce
    executor.py     `executor = "ray"`: the door to both

Why actors and not Ray Data's processors for language models: those work on whole blocks, and what is owed under a
stopping plan is known only from look to look; a sample must be on the disk when it ends, and the run folder says what
is left. An actor is asked for what it has finished since it was asked last; whatever it has not handed over when it
dies is made again by whoever is there. Ray starts it anew, elsewhere if its node is gone.
"""
