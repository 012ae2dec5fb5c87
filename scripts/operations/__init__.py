"""What an operator does to a stage that runs: its queues, its connections, its secrets."""
