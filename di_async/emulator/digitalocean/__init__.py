"""DigitalOcean Dedicated Inference, with both formats of its responses."""
