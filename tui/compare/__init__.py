"""Compare's parts: turns, the queue over panes, the grid they stand in."""
