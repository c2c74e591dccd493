"""Runs programs that nobody has read: isolated by the kernel, limited, watched, and told apart from our own failures.

    run, call, check (run.py)
      |  a Program and Limits                                                    our process: compares, kills, drains
      v
    Server (server.py) --control socket: five descriptors--> zygote (zygote.py)  one per process and level, jailed
                                                               | fork            (jail.py: a view of the file system
                                                               v                  with the interpreter, no network)
    Running  <------ channel, stdout, stderr, report ------  guest (guest.py)    isolates itself further, step by step,
                                                                                  then runs the program, or never does

What the kernel offers is probed once (probe.py), the best level (levels.py) is taken and named in every result, and
below a level that isolates files, network and processes nothing runs unless a person allows it. The files that run
inside (kernel, syscalls, jail, plain, guest, zygote) import the standard library only. A tool that a person installed
and that reads what a model wrote (a proof assistant) is confined more simply: confine.py.
"""
