"""Input pipelines for training: manifests in, batches of numpy arrays out."""
