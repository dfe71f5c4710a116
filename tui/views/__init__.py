"""The rooms of the dashboard: Compare, Ask and Agents. Each takes the prompt line's text and the events of its own runs."""
