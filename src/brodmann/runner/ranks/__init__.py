"""One model on several processes, each of which holds a share of every layer: tensor parallelism.

The job's own process is rank 0 and *leads*: it alone decides what is run, draws, reads and writes. The other
ranks *follow*: they hold their shares, and run what they are told (``follow``). A function that runs
the model is marked ``on_all_ranks`` (``marked``); where the model is shared, the leader sends its name and
arguments to the others, and all run it at the same time. What it gives is the leader's. So no decision can
differ between ranks, and no code above knows of them. Within such a function everything is done by all ranks,
and what communicates (transformers' layers, nnsight's gathering) finds its counterpart.

What a function leaves on a rank for later calls (a cache of keys and values) is known by number: the leader
has its own part of it, each follower another, and followers drop theirs when the leader's is gone.
"""
