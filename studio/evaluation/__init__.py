"""How good a checkpoint is: figures with their intervals, measured through the studio's engine."""
