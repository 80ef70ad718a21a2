"""`manage.py up`: starts a whole desk on one machine, keeps it running, stops it in order.

Nothing here imports Django: the supervisor stays small and outlives every child.
"""
