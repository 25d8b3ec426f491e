"""What makes groups durable: segments of text, and an index of them."""
