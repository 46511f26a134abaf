"""The HTTP server: one worker thread owns the models, requests are batched for it."""
