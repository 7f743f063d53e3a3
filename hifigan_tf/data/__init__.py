"""From corpora to batches: clip lists, tf.data pipelines, packed corpora."""
