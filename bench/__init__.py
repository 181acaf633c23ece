"""How fast the helpdesk is here, beside the floor of the same machine in the same minutes: `make bench`.

Absolute figures move from machine to machine, and from minute to minute where others work on it too. So each figure is
measured in turn with its floor (the same work without the helpdesk: a bare parse, a bare transaction, a bare query), in
several rounds, and what counts is the ratio of the two.
"""
