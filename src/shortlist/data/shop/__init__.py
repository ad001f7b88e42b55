"""The demo shop's parts: what it sells, who buys, when they come, what they are shown and what they do."""
