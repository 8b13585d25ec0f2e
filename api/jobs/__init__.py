"""Jobs: the list of them, their durable queue, fair turns between owners, and which processes are alive."""
