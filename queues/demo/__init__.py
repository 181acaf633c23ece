"""A made-up contact centre, for a look around: `make demo`.

Vesna, a shop for household things, is written to in Russian, Ukrainian and English. Its mail comes in through the LMTP
door, is understood and placed by the same code as any, and is answered by the same verbs; what leaves lands in the
folder for outgoing mail. Only the clock is moved, on the connections of this one process, so that a week of work can be
made in a minute.
"""
