"""The theory of interrogation put to networks: what it says of a zoo, and whether encoders learn what it promises.

``class_sizes``: questions needed against the size of a class; ``gap``: probing encoders learn to identify the functions
of the family with the widest gap; ``zoo_questions``: how many questions identify the networks of a zoo; ``report``: all
of it on one page. The counts themselves are in :mod:`rnn2vec.interrogation`, which knows no network of a zoo.
"""
