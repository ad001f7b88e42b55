"""What the bundle's own funnel is worth on held-out users."""
