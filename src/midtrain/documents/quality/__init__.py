"""Quality and language of documents: scorers, their training and calibration, ensembles, mining."""
