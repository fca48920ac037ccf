"""What the features of a network do: numbers and figures."""
